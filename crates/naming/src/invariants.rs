//! What must hold in a registry at any time. Checked after every command in debug builds, and by the fuzzer.

use nacrite_base::ClientId;

use crate::registry::Registry;
use crate::service::Service;

/// Above this many services the check after every command is left to the fuzzer, which asks for it itself.
const SERVICES_CHECKED_MAX: usize = 64;

impl Registry {
    /// Every property that does not hold, in words. Empty is right. Cost: O(everything), but nothing above
    /// `SERVICES_CHECKED_MAX` services.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        if self.services.len() > SERVICES_CHECKED_MAX {
            return Vec::new();
        }
        let mut found = Vec::new();
        for (key, service) in &self.services {
            let mut say = |what: &str| found.push(format!("{key}: {what}"));
            claims_have_publishers(service, &mut say);
            emptiness_is_noted(service, &mut say);
            who_has_no_connection_polls(service, &mut say);
            self.clients_are_indexed(service, &mut say);
            if self.listed.contains(key) && service.kind.is_none() {
                say("a listed service has a kind");
            }
        }
        for key in &self.listed {
            if !self.services.contains_key(key) {
                found.push(format!("{key}: a listed service exists"));
            }
        }
        for (client, known) in &self.clients {
            if known.publishes.is_empty() && known.subscribes.is_empty() {
                found.push(format!("{client}: a known client has something"));
            }
        }
        found
    }

    fn clients_are_indexed(&self, service: &Service, say: &mut impl FnMut(&str)) {
        let publishes = |client| self.clients.get(client).is_some_and(|known| known.publishes.contains(&service.key));
        if !service.publishers.keys().all(publishes) {
            say("every publisher knows the service");
        }
        let subscribes = |client| self.clients.get(client).is_some_and(|known| known.subscribes.contains(&service.key));
        if !service.subscribers.keys().all(subscribes) {
            say("every subscriber knows the service");
        }
    }
}

fn claims_have_publishers(service: &Service, say: &mut impl FnMut(&str)) {
    for (key, claims) in &service.claims {
        if claims.is_empty() {
            say("no empty list of claims is kept");
        }
        for claim in claims {
            if claim.instance.key != *key {
                say("a claim stands under the key of its instance");
            }
            if service.publishers.get(&claim.client).is_none_or(|p| !p.keys.contains(key)) {
                say("every claim belongs to a publisher");
            }
        }
        if claims.iter().filter(|c| !c.held).count() > 0 && claims.iter().any(|c| c.held && c.stamp < min_live(claims))
        {
            say("a held claim gives way to a newer one");
        }
    }
}

fn min_live(claims: &[crate::service::Claim]) -> u64 {
    claims.iter().filter(|c| !c.held).map(|c| c.stamp).min().unwrap_or(u64::MAX)
}

fn who_has_no_connection_polls(service: &Service, say: &mut impl FnMut(&str)) {
    let polling = service.subscribers.keys().filter(|client| matches!(client, ClientId::Address { .. }));
    if !polling.eq(service.polls.keys()) {
        say("a subscriber polls exactly if it has no connection");
    }
}

fn emptiness_is_noted(service: &Service, say: &mut impl FnMut(&str)) {
    if service.publishers.is_empty() != service.empty_since.is_some() {
        say("a service without publishers knows since when");
    }
}
