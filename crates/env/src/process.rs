//! What the system knows of this process.

/// Memory of the process that is in RAM, in bytes; `None` where the system does not say (`/proc` is Linux's).
#[must_use]
pub fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    resident_in(&status)
}

fn resident_in(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_read_from_what_linux_says() {
        assert_eq!(resident_in("VmPeak:\t  9 kB\nVmRSS:\t    2300 kB\n"), Some(2300 * 1024));
        assert_eq!(resident_in("VmPeak:\t 9 kB\n"), None);
    }
}
