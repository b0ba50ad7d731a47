//! For tests alone: what real servers answered over HTTP, as it was recorded.

use std::path::Path;

use serde_json::Value;

/// An answer that was recorded.
pub(crate) struct Recorded {
    /// Path of the question, without its query.
    pub(crate) path: String,
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// Every answer to a question of this method whose path `fits`.
pub(crate) fn recorded(method: &str, fits: impl Fn(&str) -> bool) -> Vec<Recorded> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../interop/golden/http");
    let mut all = Vec::new();
    for generation in ["v1", "v2", "v3"] {
        for entry in std::fs::read_dir(root.join(generation)).expect("the recordings").flatten() {
            let text = std::fs::read_to_string(entry.path()).expect("a recording");
            let recording: Value = serde_json::from_str(&text).expect("a recording is JSON");
            for step in recording["steps"].as_array().into_iter().flatten() {
                let path = step["path"].as_str().unwrap_or_default();
                let answer = &step["response"];
                let (Some(status), Some(body)) = (answer["status"].as_u64(), answer["body"].as_str()) else {
                    continue;
                };
                if step["method"] == method && fits(path) {
                    let status = u16::try_from(status).expect("a status");
                    all.push(Recorded { path: path.to_owned(), status, body: body.to_owned() });
                }
            }
        }
    }
    assert!(!all.is_empty(), "nothing was recorded of {method}");
    all
}
