//! Formats of imports; the rest needs servers, and is tested in `tests/it`.

use super::*;

#[test]
fn the_ending_tells_the_format_before_the_publisher_does() {
    let of = |data_id, declared| format_of(data_id, declared, Format::Properties);
    assert_eq!(of("a.json", ConfigType::Properties), Ok(Format::Json));
    assert_eq!(of("a", ConfigType::Json), Ok(Format::Json));
    assert_eq!(of("a", ConfigType::Text), Ok(Format::Properties));
    assert_eq!(of("com.shop.orders", ConfigType::Unset), Ok(Format::Properties));
    assert!(of("a.xml", ConfigType::Json).is_err());
}
