//! `static:///a:1,b:2`: addresses that stand in the target. For tests, and for services that never move.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use nacrite_balance::Endpoint;

use super::{ResolverFactory, Updates};
use crate::target::{Target, TargetError, host_and_port};

/// Resolves `static:///host:port,host:port`, and never again.
#[derive(Clone, Copy, Debug, Default)]
pub struct StaticResolver;

impl StaticResolver {
    fn read(target: &Target) -> Result<Vec<Endpoint>, TargetError> {
        if !target.authority().is_empty() || !target.query().is_empty() {
            return Err(target.wrong("has more than addresses; write static:///host:port,host:port"));
        }
        let segments = target.segments()?;
        let [list] = segments.as_slice() else {
            return Err(target.wrong("names no addresses; write static:///host:port,host:port"));
        };
        let endpoints = list.split(',').map(|address| {
            let (host, port) = host_and_port(address).map_err(|why| target.wrong(why))?;
            Ok(Endpoint::new(host, port))
        });
        endpoints.collect()
    }
}

impl ResolverFactory for StaticResolver {
    fn scheme(&self) -> &str {
        "static"
    }

    fn authority(&self, target: &Target) -> Result<String, TargetError> {
        let endpoints = Self::read(target)?;
        let first = endpoints.first().ok_or_else(|| target.wrong("names no addresses"))?;
        Ok(super::authority_of(&first.host, first.port))
    }

    fn resolve(&self, target: &Target, updates: Updates) -> Result<BoxFuture<'static, ()>, TargetError> {
        let endpoints = Self::read(target)?;
        Ok(async move { updates.endpoints(endpoints) }.boxed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolver::ResolverRegistry;

    #[test]
    fn addresses_stand_in_the_target() {
        let registry = ResolverRegistry::default();
        let (target, factory) = registry.find("static:///[::1]:80,b:2").expect("a target");
        assert_eq!(factory.authority(&target).as_deref(), Ok("[::1]:80"));
        let (updates, receiver) = Updates::new();
        factory.resolve(&target, updates).expect("addresses").now_or_never();
        let found = receiver.borrow().endpoints.clone().expect("a list");
        let found: Vec<_> = found.iter().map(|endpoint| (&*endpoint.host, endpoint.port)).collect();
        assert_eq!(found, [("::1", 80), ("b", 2)]);
        for bad in
            ["static:///", "static:///a", "static:///a:1,", "static:///a:1/b:2", "static://x/a:1", "static:///a:1?b"]
        {
            let (target, factory) = registry.find(bad).expect("a target");
            assert!(factory.authority(&target).is_err(), "{bad}");
        }
    }
}
