//! The part of a service config that speaks of methods: whom each entry is for, and what it says.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::{MethodConfig, Recovery};
use crate::backoff::BackoffSettings;
use crate::code::{Code, Codes};
use crate::hedge::HedgingPolicy;
use crate::json::{Invalid, Node};
use crate::retry::{ATTEMPTS_MAX, RetryPolicy};

/// All entries, by the names they are for. Entries for nobody are read all the same: what is wrong in them is wrong.
pub(super) fn read(root: &Node<'_>) -> Result<HashMap<String, Arc<MethodConfig>, RandomState>, Invalid> {
    let mut methods = HashMap::default();
    let Some(entries) = root.get("methodConfig")? else { return Ok(methods) };
    for entry in entries.items()? {
        let config = Arc::new(method(&entry)?);
        let Some(names) = entry.get("name")? else { continue };
        for name in names.items()? {
            let key = key(&name)?;
            if methods.insert(key, Arc::clone(&config)).is_some() {
                return Err(name.wrong("is there twice"));
            }
        }
    }
    Ok(methods)
}

/// Whom an entry is for: `service/method`, `service/`, or nothing.
fn key(name: &Node<'_>) -> Result<String, Invalid> {
    let text = |field| Ok(name.get(field)?.map(|node| node.text()).transpose()?.unwrap_or_default());
    match (text("service")?, text("method")?) {
        ("", "") => Ok(String::new()),
        ("", _) => Err(name.wrong("names a method, but no service")),
        (service, method) => Ok(format!("{service}/{method}")),
    }
}

fn method(entry: &Node<'_>) -> Result<MethodConfig, Invalid> {
    let len = |field| -> Result<Option<u32>, Invalid> {
        let len = entry.get(field)?.map(|node| node.whole(0..=u64::from(u32::MAX))).transpose()?;
        Ok(len.and_then(|len| u32::try_from(len).ok()))
    };
    let recovery = match (entry.get("retryPolicy")?, entry.get("hedgingPolicy")?) {
        (None, None) => Recovery::None,
        (Some(node), None) => Recovery::Retry(Arc::new(retry(&node)?)),
        (None, Some(node)) => Recovery::Hedge(Arc::new(hedging(&node)?)),
        (Some(_), Some(_)) => return Err(entry.wrong("has both a retryPolicy and a hedgingPolicy")),
    };
    Ok(MethodConfig {
        timeout: entry.get("timeout")?.map(|node| node.duration()).transpose()?,
        wait_for_ready: entry.get("waitForReady")?.map(|node| node.truth()).transpose()?,
        request_len_max: len("maxRequestMessageBytes")?,
        response_len_max: len("maxResponseMessageBytes")?,
        recovery,
    })
}

fn retry(node: &Node<'_>) -> Result<RetryPolicy, Invalid> {
    let multiplier = node.need("backoffMultiplier")?;
    let backoff = BackoffSettings {
        initial: node.need("initialBackoff")?.positive_duration()?,
        max: node.need("maxBackoff")?.positive_duration()?,
        multiplier: multiplier.number()?,
    };
    if backoff.multiplier <= 0.0 {
        return Err(multiplier.wrong("must be more than 0"));
    }
    let attempt_within = node.get("perAttemptRecvTimeout")?.map(|node| node.positive_duration()).transpose()?;
    let retryable = if attempt_within.is_some() {
        node.get("retryableStatusCodes")?.map(|list| codes(&list)).transpose()?.unwrap_or_default()
    } else {
        let list = node.need("retryableStatusCodes")?;
        Some(codes(&list)?).filter(|codes| !codes.is_empty()).ok_or_else(|| list.wrong(NO_CODES))?
    };
    Ok(RetryPolicy { attempts_max: attempts(node)?, backoff, retryable, attempt_within })
}

fn hedging(node: &Node<'_>) -> Result<HedgingPolicy, Invalid> {
    let delay = node.get("hedgingDelay")?.map(|node| node.duration()).transpose()?.unwrap_or_default();
    let non_fatal = node.get("nonFatalStatusCodes")?.map(|list| codes(&list)).transpose()?.unwrap_or_default();
    Ok(HedgingPolicy { attempts_max: attempts(node)?, delay, non_fatal })
}

/// Attempts in all. More than the bound is the bound: no error.
fn attempts(node: &Node<'_>) -> Result<u32, Invalid> {
    let attempts = node.need("maxAttempts")?.whole(2..=u64::MAX)?;
    Ok(u32::try_from(attempts).map_or(ATTEMPTS_MAX, |attempts| attempts.min(ATTEMPTS_MAX)))
}

/// Status codes by name or number. OK is none that anything follows from.
fn codes(list: &Node<'_>) -> Result<Codes, Invalid> {
    let code = |node: &Node<'_>| {
        let found = match node.value().as_str() {
            Some(name) => Code::from_name(name),
            None => Code::from_number(node.whole(0..=u64::MAX).map_err(|_| node.wrong(NO_CODE))?),
        };
        match found {
            Some(Code::Ok) => Err(node.wrong("must not be OK")),
            Some(code) => Ok(code),
            None => Err(node.wrong(NO_CODE)),
        }
    };
    list.items()?.iter().map(code).collect()
}

/// Said of a list that says nothing.
const NO_CODES: &str = "must name at least one status code";

/// Said of what is none.
const NO_CODE: &str = "must be the name or the number of a status code";
