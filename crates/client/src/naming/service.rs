//! Which service is meant: what callers write, and the checked key it stands for.

use nacrite_base::{GroupName, NamespaceId, ServiceKey, ServiceName};

use crate::error::Error;

/// The group if none is given.
const DEFAULT_GROUP: &str = "DEFAULT_GROUP";

/// What stands between group and name where both are one word.
const SEPARATOR: &str = "@@";

/// Which service is meant. `"orders"` is the one in the default group; `"shop@@orders"` and
/// `Service::new("orders").in_group("shop")` name the group.
///
/// ```
/// use nacrite_client::naming::Service;
/// let service = Service::new("orders").in_group("shop");
/// assert_eq!(service, Service::from("shop@@orders"));
/// assert_eq!(service.to_string(), "shop@@orders");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Service<'a> {
    name: &'a str,
    group: Option<&'a str>,
    /// Two groups were given, and they differ.
    torn: bool,
}

impl<'a> Service<'a> {
    /// A service by its name; with its group in front if it is not in the default one.
    #[must_use]
    pub fn new(name: &'a str) -> Self {
        match name.split_once(SEPARATOR) {
            None => Self { name, group: None, torn: false },
            Some((group, name)) => Self { name, group: Some(group), torn: false },
        }
    }

    /// The same name in a group. A group that the name carries must be the same.
    #[must_use]
    pub fn in_group(self, group: &'a str) -> Self {
        let torn = self.group.is_some_and(|own| own != group);
        Self { group: Some(group), torn, ..self }
    }

    pub(crate) fn name(&self) -> &'a str {
        self.name
    }

    pub(crate) fn group(&self) -> &'a str {
        self.group.unwrap_or(DEFAULT_GROUP)
    }

    /// The checked key.
    ///
    /// # Errors
    /// [`Error::Invalid`] says which rule the name or the group breaks.
    pub(crate) fn key(&self, namespace: &NamespaceId) -> Result<ServiceKey, Error> {
        if self.torn {
            return Err(Error::Invalid(format!("the service {} was asked for in two groups", self.name)));
        }
        let invalid = |error: nacrite_base::NameError| Error::Invalid(error.to_string());
        let group = GroupName::parse(self.group()).map_err(invalid)?;
        let name = ServiceName::parse(self.name).map_err(invalid)?;
        Ok(ServiceKey { namespace: namespace.clone(), group, name })
    }
}

impl std::fmt::Display for Service<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{SEPARATOR}{}", self.group(), self.name)
    }
}

impl<'a> From<&'a str> for Service<'a> {
    fn from(name: &'a str) -> Self {
        Self::new(name)
    }
}

impl<'a> From<&'a String> for Service<'a> {
    fn from(name: &'a String) -> Self {
        Self::new(name)
    }
}

impl<'a> From<&'a ServiceKey> for Service<'a> {
    fn from(key: &'a ServiceKey) -> Self {
        Self { name: key.name.as_str(), group: Some(key.group.as_str()), torn: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(service: Service<'_>) -> Result<String, String> {
        service.key(&NamespaceId::public()).map(|key| key.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn services_are_read_as_users_write_them() {
        assert_eq!(read("orders".into()).as_deref(), Ok("public#DEFAULT_GROUP@@orders"));
        assert_eq!(read("shop@@orders".into()).as_deref(), Ok("public#shop@@orders"));
        assert_eq!(read(Service::new("orders").in_group("shop")).as_deref(), Ok("public#shop@@orders"));
        assert_eq!(read(Service::new("shop@@orders").in_group("shop")).as_deref(), Ok("public#shop@@orders"));
    }

    #[test]
    fn a_name_that_contradicts_its_group_is_refused() {
        assert!(read(Service::new("shop@@orders").in_group("other")).is_err());
    }

    #[test]
    fn names_that_no_server_takes_are_refused_here() {
        for bad in ["", " ", "a b", "g@@", "@@x", "a@@b@@c", "g g@@x", &"x".repeat(513)] {
            assert!(read(bad.into()).is_err(), "{bad:?}");
        }
    }
}
