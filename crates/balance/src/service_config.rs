//! What the owner of a service says about calls to it: a service config, in gRPC's JSON (gRFC A2, A6, A21, A24).
//!
//! Fields that are not known are passed over; one that is known and wrong makes the whole config wrong, and the error names
//! its place. What follows from the config is the business of those who use it.

pub mod choice;
mod methods;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::hedge::HedgingPolicy;
use crate::json::{Invalid, Node};
use crate::outlier::OutlierSettings;
use crate::policy::{Policy, PolicyRegistry};
use crate::retry::RetryPolicy;
use crate::throttle::ThrottleSettings;

pub use choice::{Resolved, choose};

/// A longer text is refused before it is read: a thousand methods fit into it, and reading it takes a few milliseconds.
pub const TEXT_LEN_MAX: usize = 256 * 1_024;

/// Tokens for retries, at most (gRFC A6).
const TOKENS_MAX: u64 = 1_000;

/// Names under which outlier detection stands around a balancing policy (gRFC A50).
const OUTLIER_NAMES: [&str; 2] = ["outlier_detection", "outlier_detection_experimental"];

/// What is known about calls to a service.
#[derive(Clone, Debug, Default)]
pub struct ServiceConfig {
    /// Who takes calls; `None` if the channel decides.
    pub balancing: Option<Balancing>,
    /// When calls are not sent again, because too many fail.
    pub throttling: Option<ThrottleSettings>,
    /// The name to ask the health service of each endpoint about; the empty name is the whole server. `None` if nobody asks.
    pub health_service: Option<Arc<str>>,
    /// By `service/method`, `service/` for all other methods of a service, and nothing for all others.
    methods: HashMap<String, Arc<MethodConfig>, foldhash::fast::RandomState>,
}

/// Who takes calls.
#[derive(Clone, Debug)]
pub struct Balancing {
    /// Chooses.
    pub policy: Arc<dyn Policy>,
    /// By what endpoints are ejected; `None` if the channel decides.
    pub outlier: Option<OutlierSettings>,
}

/// What is known about calls to a method.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MethodConfig {
    /// Calls take no longer; the caller may want less.
    pub timeout: Option<Duration>,
    /// Whether calls wait while nobody can take them; the caller may say otherwise.
    pub wait_for_ready: Option<bool>,
    /// Requests are no longer, in bytes.
    pub request_len_max: Option<u32>,
    /// Responses are no longer, in bytes.
    pub response_len_max: Option<u32>,
    /// What becomes of calls that fail.
    pub recovery: Recovery,
}

/// What becomes of calls that fail.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Recovery {
    /// They have failed.
    #[default]
    None,
    /// They are sent again.
    Retry(Arc<RetryPolicy>),
    /// They were sent several times to begin with.
    Hedge(Arc<HedgingPolicy>),
}

impl ServiceConfig {
    /// Reads a config. Policies come from the registry.
    ///
    /// # Errors
    /// It is no JSON, too long, or a known field is not as it must be. Nothing of the text stands in the error but names of
    /// fields and of policies.
    pub fn parse(text: &str, registry: &PolicyRegistry) -> Result<Self, Invalid> {
        let wrong = |problem| Invalid { path: String::new(), problem };
        if text.len() > TEXT_LEN_MAX {
            return Err(wrong(format!("a service config has at most {TEXT_LEN_MAX} bytes, this has {}", text.len())));
        }
        let document: Value = serde_json::from_str(text).map_err(|error| {
            wrong(format!("a service config is JSON, this is not: line {}, column {}", error.line(), error.column()))
        })?;
        Self::read(&Node::root(&document), registry)
    }

    /// Reads a config that is a part of something else.
    ///
    /// # Errors
    /// A known field is not as it must be.
    pub fn read(root: &Node<'_>, registry: &PolicyRegistry) -> Result<Self, Invalid> {
        let health = root.get("healthCheckConfig")?.map(|node| node.get("serviceName")).transpose()?.flatten();
        Ok(Self {
            balancing: balancing(root, registry)?,
            throttling: root.get("retryThrottling")?.map(|node| throttling(&node)).transpose()?,
            health_service: health.map(|node| node.text().map(Arc::from)).transpose()?,
            methods: methods::read(root)?,
        })
    }

    /// What is known about a method: what stands under its own name, else under its service's, else under no name. A path is
    /// `/package.Service/Method`. Costs three look-ups at most, and no memory.
    #[must_use]
    pub fn method(&self, path: &str) -> Option<&Arc<MethodConfig>> {
        if self.methods.is_empty() {
            return None;
        }
        let full = path.strip_prefix('/').unwrap_or(path);
        let service = full.rfind('/').map_or("", |at| &full[..=at]);
        let named = |name: &str| Some(name).filter(|name| !name.is_empty()).and_then(|name| self.methods.get(name));
        named(full).or_else(|| named(service)).or_else(|| self.methods.get(""))
    }
}

/// Who takes calls: the first known policy of the list, else the one that the older field names.
fn balancing(root: &Node<'_>, registry: &PolicyRegistry) -> Result<Option<Balancing>, Invalid> {
    if let Some(list) = root.get("loadBalancingConfig")? {
        for item in list.items()? {
            let (name, config) = item.only()?;
            if OUTLIER_NAMES.contains(&name) {
                let policy = registry.first_known(&config.need("childPolicy")?)?;
                return Ok(Some(Balancing { policy, outlier: Some(OutlierSettings::read(&config)?) }));
            }
            if let Some(policy) = registry.parse(name, &config) {
                return Ok(Some(Balancing { policy: policy?, outlier: None }));
            }
        }
        // None is known; the registry says so in its words.
        return registry.first_known(&list).map(|policy| Some(Balancing { policy, outlier: None }));
    }
    let Some(node) = root.get("loadBalancingPolicy")? else { return Ok(None) };
    let name = node.text()?.to_ascii_lowercase();
    let policy = registry.by_name(&name).map_err(|wrong| node.wrong(wrong.problem))?;
    Ok(Some(Balancing { policy, outlier: None }))
}

fn throttling(node: &Node<'_>) -> Result<ThrottleSettings, Invalid> {
    let tokens_max = node.need("maxTokens")?.whole(1..=TOKENS_MAX)? as u32;
    let ratio = node.need("tokenRatio")?;
    // Decimals beyond three count for nothing; a ratio that a binary number misses by a hair is still the one written.
    let thousandths = (ratio.number()? * 1_000.0 + 1e-6).floor();
    if thousandths < 1.0 {
        return Err(ratio.wrong("must be at least 0.001"));
    }
    // More than a full bucket fills it as well.
    Ok(ThrottleSettings { tokens_max, per_success_thousandths: thousandths.min(1e6) as u32 })
}

#[cfg(test)]
mod tests;
