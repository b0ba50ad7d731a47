//! What is printed when the shop is open: where everything is, and what to try.

use shop::names::SALE;
use shop::stage::{Programs, Shop};

/// Says where everything is, and what there is to try.
pub(crate) fn print(shop: &Shop, programs: &Programs) {
    let (front, registry) = (shop.front_at, shop.registry.address());
    let pid = |id: Option<u32>| id.map_or_else(|| "gone".to_owned(), |id| id.to_string());
    println!("\n  {:<10} process {:<8} http://{registry}/nacos", "registry", pid(shop.registry.id()));
    for service in &shop.prices {
        println!("  {:<10} process {:<8} gRPC, on a port that the registry knows", service.name(), pid(service.id()));
    }
    println!("  {:<10} process {:<8} http://{front}", "front", pid(shop.front.id()));
    let sale = format!("http://{registry}/nacos/v1/cs/configs?dataId={SALE}&group=DEFAULT_GROUP&type=yaml&content=");
    let somebody = pid(shop.prices.first().and_then(|service| service.id()));
    let tries = [
        ("who answers", format!("curl http://{front}/quote/tea")),
        ("a call that must not be repeated", format!("curl -X POST http://{front}/reserve/tea/2")),
        ("a stream: the price, and each change", format!("curl -N http://{front}/watch/tea")),
        ("20 % off, at once, everywhere", format!("curl -X POST '{sale}discount_percent:%2020'")),
        ("nonsense: the last good one stays", format!("curl -X POST '{sale}discount_percent:%20150'")),
        ("every instance, as the channel sees it", format!("curl http://{front}/channel")),
        ("calls without end", format!("while sleep 0.1; do curl -s http://{front}/quote/tea; echo; done")),
        ("an instance leaves, no call fails", format!("kill {somebody}")),
        ("another one comes", format!("{} --registry {registry} --name prices-9", programs.prices.display())),
        ("who is registered", format!("curl 'http://{registry}/nacos/v1/ns/instance/list?serviceName=prices'")),
    ];
    println!();
    for (what, command) in tries {
        println!("  # {what}\n  {command}");
    }
    println!("\nCtrl-C closes the shop.");
}
