//! How pushes fared, as v1 tells it (`reference/http.md`, 2.3).

use crate::json;

/// Pushes whose fate is known.
#[derive(Clone, Copy, Debug)]
pub struct PushState {
    /// Those that were taken.
    pub taken: u64,
    /// Those that were not.
    pub failed: u64,
    /// Average and longest time that a push took, ms, if they are wanted; nothing inside if none was taken.
    pub cost_ms: Option<Option<(u64, u64)>>,
    /// Whether counting begins anew.
    pub reset: bool,
}

impl PushState {
    /// Writes the object. Times that are not known are -1, and the share of nothing is 0, as in Nacos.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let total = self.taken + self.failed;
        let mut out = b"{\"succeed\":".to_vec();
        json::write(&mut out, &self.taken);
        out.extend_from_slice(b",\"total\":");
        json::write(&mut out, &total);
        out.extend_from_slice(b",\"ratio\":");
        if total == 0 {
            out.push(b'0');
        } else {
            #[expect(clippy::cast_precision_loss, reason = "a share is not exact to the last of 2^24 pushes")]
            json::write(&mut out, &(self.taken as f32 / total as f32));
        }
        if let Some(cost_ms) = self.cost_ms {
            let known = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
            let (average, longest) = cost_ms.map_or((-1, -1), |(average, longest)| (known(average), known(longest)));
            out.extend_from_slice(b",\"detail\":{\"avgPushCost\":");
            json::write(&mut out, &average);
            out.extend_from_slice(b",\"maxPushCost\":");
            json::write(&mut out, &longest);
            out.push(b'}');
        }
        out.extend_from_slice(b",\"reset\":");
        json::write(&mut out, &self.reset);
        out.push(b'}');
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(state: PushState, json: &str) {
        assert_eq!(std::str::from_utf8(&state.encode()), Ok(json));
    }

    #[test]
    fn the_share_of_nothing_is_zero() {
        let none = PushState { taken: 0, failed: 0, cost_ms: None, reset: false };
        check(none, r#"{"succeed":0,"total":0,"ratio":0,"reset":false}"#);
        let detail = r#"{"succeed":0,"total":0,"ratio":0,"detail":{"avgPushCost":-1,"maxPushCost":-1},"reset":true}"#;
        check(PushState { cost_ms: Some(None), reset: true, ..none }, detail);
    }

    #[test]
    fn failures_count_in_the_total() {
        let some = PushState { taken: 3, failed: 1, cost_ms: Some(Some((4, 9))), reset: false };
        let json = r#"{"succeed":3,"total":4,"ratio":0.75,"detail":{"avgPushCost":4,"maxPushCost":9},"reset":false}"#;
        check(some, json);
    }
}
