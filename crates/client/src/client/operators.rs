//! Parts of a client that most programs do not need, behind features.

use super::Client;

#[cfg(any(test, feature = "maintainer"))]
impl Client {
    /// The calls of operators, for the namespace of this client. They go over HTTP.
    #[must_use]
    pub fn maintainer(&self) -> crate::maintainer::Maintainer {
        use crate::http::naming::{HttpNaming, HttpNamingSettings};

        let shared = &self.0.shared;
        let within = self.0.naming_settings.request_within;
        let settings = HttpNamingSettings { request_within: within, ..HttpNamingSettings::default() };
        let naming = HttpNaming::new(shared.proxy.clone(), settings, shared.tasks.clone());
        crate::maintainer::Maintainer::new(shared.proxy.clone(), naming, shared.namespace.clone(), within)
    }
}

#[cfg(any(test, feature = "lock"))]
impl Client {
    /// Locks. Each call begins to make a connection of its own, in the background, which lasts as long as what is returned:
    /// keep it.
    #[must_use]
    pub fn locks(&self) -> crate::lock::Locks {
        let shared = &self.0.shared;
        let link = shared.link(nacrite_wire::client::Module::Lock, Vec::new(), &self.0.config_settings);
        crate::lock::Locks::new(link, shared.link.request_within)
    }
}
