//! Which service an address means, and the address of an instance in its place. Pure.

use nacrite_client::naming::Instance;
use reqwest::Url;

use crate::error::CallError;
use crate::settings::Names;

/// The scheme that always means a service.
const LB: &str = "lb";

/// Keys of an instance's metadata that say over what it is spoken to. Spring writes `secure`.
const SECURE: &str = "secure";
const SCHEME: &str = "scheme";

/// The name of the service that an address means; `None` if it means what stands there.
pub(crate) fn service_of(url: &Url, names: Names) -> Result<Option<&str>, CallError> {
    let host = url.host_str().unwrap_or_default();
    match url.scheme() {
        LB if host.is_empty() => Err(CallError::BadAddress("an address lb:// names no service".to_owned())),
        LB if url.port().is_some() => {
            let what = format!("the address lb://{host} has a port, which its instances have themselves");
            Err(CallError::BadAddress(what))
        }
        LB => Ok(Some(host)),
        "http" | "https" if names == Names::Undotted && is_name(url, host) => Ok(Some(host)),
        _ => Ok(None),
    }
}

/// Whether a host is a name that no name server is asked for. A port that is the usual one of its scheme does not show in a
/// URL.
fn is_name(url: &Url, host: &str) -> bool {
    !host.is_empty() && !host.contains(['.', ':']) && host != "localhost" && url.port().is_none()
}

/// The same address at an instance: its host and port, over TLS if the address or the instance says so.
pub(crate) fn at(url: &Url, instance: &Instance) -> Result<Url, CallError> {
    let scheme = if url.scheme() == "https" || is_secure(instance) { "https" } else { "http" };
    let bad = |what: String| CallError::BadAddress(format!("the instance {instance} cannot be called: {what}"));
    let mut at = Url::parse(&format!("{scheme}://{instance}/")).map_err(|error| bad(error.to_string()))?;
    at.set_path(url.path());
    at.set_query(url.query());
    at.set_fragment(url.fragment());
    let with_user = at.set_username(url.username()).and_then(|()| at.set_password(url.password()));
    with_user.map_err(|()| bad("no user can be named there".to_owned()))?;
    Ok(at)
}

fn is_secure(instance: &Instance) -> bool {
    let says =
        |key: &str, value: &str| instance.metadata().get(key).is_some_and(|said| said.eq_ignore_ascii_case(value));
    says(SECURE, "true") || says(SCHEME, "https")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().expect("a URL")
    }

    fn service(text: &str) -> Option<String> {
        service_of(&url(text), Names::Undotted).expect("an address").map(str::to_owned)
    }

    #[test]
    fn names_are_told_from_addresses() {
        for name in ["http://orders/a", "https://orders", "http://orders:80/", "http://u:p@orders/", "lb://orders?a=b"]
        {
            assert_eq!(service(name).as_deref(), Some("orders"), "{name}");
        }
        assert_eq!(service("lb://Order.Service_1/").as_deref(), Some("Order.Service_1"));
        assert_eq!(service("http://Orders/").as_deref(), Some("orders"), "hosts have no capital letters");
        for address in [
            "http://orders.example/",
            "http://localhost/",
            "http://127.0.0.1/",
            "http://[::1]/",
            "http://1/",
            "http://orders:8080/",
            "ftp://orders/",
        ] {
            assert_eq!(service(address), None, "{address}");
        }
        assert!(matches!(service_of(&url("http://orders/"), Names::LbOnly), Ok(None)));
        assert!(matches!(service_of(&url("lb://orders/"), Names::LbOnly), Ok(Some("orders"))));
        assert!(service_of(&url("lb://orders:80/"), Names::Undotted).is_err());
    }

    fn instance(host: &str, metadata: &[(&str, &str)]) -> Instance {
        let builder = Instance::builder(host, 8080);
        let builder = metadata.iter().fold(builder, |builder, (key, value)| builder.metadata(*key, *value));
        builder.build().expect("all is legal")
    }

    #[track_caller]
    fn check(address: &str, instance: &Instance, expected: &str) {
        assert_eq!(at(&url(address), instance).expect("it can be called").as_str(), expected);
    }

    #[test]
    fn everything_but_host_and_port_stays() {
        let plain = instance("10.0.0.1", &[]);
        check("http://orders/a%20b/?q=%2F&r#f", &plain, "http://10.0.0.1:8080/a%20b/?q=%2F&r#f");
        check("lb://Orders/a%20b/?q=1", &plain, "http://10.0.0.1:8080/a%20b/?q=1");
        check("lb://orders", &plain, "http://10.0.0.1:8080/");
        check("http://me:secret@orders/", &plain, "http://me:secret@10.0.0.1:8080/");
        check("http://orders/", &instance("fe80::1", &[]), "http://[fe80::1]:8080/");
    }

    #[test]
    fn an_instance_that_is_secure_is_called_over_tls() {
        check("https://orders/", &instance("h", &[]), "https://h:8080/");
        for metadata in [[("secure", "true")], [("scheme", "HTTPS")]] {
            check("http://orders/", &instance("h", &metadata), "https://h:8080/");
            check("lb://orders/", &instance("h", &metadata), "https://h:8080/");
        }
        check("http://orders/", &instance("h", &[("secure", "false")]), "http://h:8080/");
    }
}
