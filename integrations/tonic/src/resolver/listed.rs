//! Lists as a channel can use them: every address once, every weight a number.

use std::collections::HashSet;
use std::sync::Arc;

use nacrite_balance::Endpoint;

/// Endpoints that a channel has a place for. Beyond it the first ones count: a caller that has connections to more servers
/// than this serves itself badly, and the list comes from outside.
const ENDPOINTS_MAX: usize = 10_000;

/// Keeps the order, the first of each address, and weights that can be reckoned with.
pub(super) fn list(endpoints: impl IntoIterator<Item = Endpoint>) -> Arc<[Arc<Endpoint>]> {
    let mut seen = HashSet::new();
    let valid = endpoints.into_iter().filter(|endpoint| !endpoint.host.is_empty() && endpoint.port > 0);
    let first = valid.filter(|endpoint| seen.insert((Arc::clone(&endpoint.host), endpoint.port)));
    let tidied = first.map(|mut endpoint| {
        endpoint.weight = if endpoint.weight.is_finite() { endpoint.weight.max(0.0) } else { 1.0 };
        Arc::new(endpoint)
    });
    tidied.take(ENDPOINTS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_come_once_and_weights_are_numbers() {
        let endpoint = |host: &str, port, weight| Endpoint { weight, ..Endpoint::new(host, port) };
        let listed = list([
            endpoint("b", 1, f64::NAN),
            endpoint("a", 1, -1.0),
            endpoint("b", 1, 3.0),
            endpoint("", 1, 1.0),
            endpoint("a", 0, 1.0),
            endpoint("a", 2, f64::INFINITY),
        ]);
        let seen: Vec<_> = listed.iter().map(|one| (&*one.host, one.port, one.weight)).collect();
        assert_eq!(seen, [("b", 1, 1.0), ("a", 1, 0.0), ("a", 2, 1.0)]);
    }

    #[test]
    fn a_list_without_end_is_cut() {
        let endless = (0..2 * ENDPOINTS_MAX).map(|number| Endpoint::new(&format!("h{number}"), 1));
        assert_eq!(list(endless).len(), ENDPOINTS_MAX);
    }
}
