//! The table of endpoints and the page that describes it say the same.

use std::sync::Arc;

use nacrite_http::{HttpSettings, Row, Table};
use nacrite_testkit::Node;

#[tokio::test]
async fn the_page_of_endpoints_is_the_table() {
    let node = Node::start().await;
    let table = Table::new(Arc::clone(&node.app), HttpSettings::default());
    let rows = table.rows().into_iter().map(|row| {
        let Row { endpoint, needs, limit, generation, .. } = row;
        format!("| `{endpoint}` | {needs:?} | {limit:?} | {generation:?} |")
    });
    let rows: Vec<String> = rows.collect();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/protocol/endpoints.md");
    let page = std::fs::read_to_string(path).expect("the page is there");
    let (_, page) = page.split_once("\n|---").expect("a table");
    let described: Vec<&str> = page.lines().skip(1).take_while(|line| line.starts_with('|')).collect();
    let same = described.len() == rows.len() && described.iter().zip(&rows).all(|(line, row)| line.starts_with(row));
    assert!(same, "docs/protocol/endpoints.md is not what the table says; its lines should begin\n{}", rows.join("\n"));
}
