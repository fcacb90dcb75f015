//! What this machine is called, found where OTP's `inet_config` looks for it.

use std::fs;

/// The host name up to its first dot.
pub(super) fn short() -> Option<String> {
    let name = hostname::get().ok()?.into_string().ok()?;
    let first = name.split('.').next()?;
    (!first.is_empty()).then(|| first.to_owned())
}

/// The host name with its domain, if one is known.
///
/// In OTP's order: `domain` of `/etc/resolv.conf`, the host name itself when it has a dot, the canonical name that
/// the hosts file gives it. OTP would ask DNS for the last as well; we read the file only, as a start that waits for
/// a name server is a start that hangs without one.
pub(super) fn full() -> Option<String> {
    let name = hostname::get().ok()?.into_string().ok()?;
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    from_files(&name, &read("/etc/resolv.conf"), &read("/etc/hosts"))
}

fn from_files(name: &str, resolv_conf: &str, hosts: &str) -> Option<String> {
    let first = name.split('.').next().filter(|first| !first.is_empty())?;
    if let Some(domain) = domain(resolv_conf) {
        return Some(format!("{first}.{domain}"));
    }
    if name.contains('.') {
        return Some(name.to_owned());
    }
    canonical(hosts, name).map(str::to_owned)
}

/// The value of the last `domain` line, which is the one that counts.
fn domain(resolv_conf: &str) -> Option<&str> {
    resolv_conf
        .lines()
        .filter_map(|line| match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["domain", domain, ..] => Some(domain),
            _ => None,
        })
        .next_back()
}

/// The first name on a line of the hosts file that lists `name`, if it has a domain.
fn canonical<'a>(hosts: &'a str, name: &str) -> Option<&'a str> {
    hosts.lines().find_map(|line| {
        let line = line.split('#').next()?;
        let mut names = line.split_whitespace().skip(1);
        let first = names.clone().next()?;
        (first.contains('.') && names.any(|other| other.eq_ignore_ascii_case(name)))
            .then_some(first)
    })
}

#[cfg(test)]
mod tests {
    use super::from_files;

    const HOSTS: &str =
        "127.0.0.1 localhost\n# 10.0.0.9 no.example vm\n127.0.1.1 vm.example.org vm # us\n";

    #[test]
    fn the_domain_of_resolv_conf_comes_before_the_host_names_own_and_the_hosts_file() {
        let resolv = "nameserver 192.0.2.53\ndomain corp.example\nsearch a.example b.example\n";
        assert_eq!(from_files("vm", resolv, HOSTS).as_deref(), Some("vm.corp.example"));
        assert_eq!(from_files("vm.x", "nameserver 192.0.2.53", HOSTS).as_deref(), Some("vm.x"));
        assert_eq!(from_files("vm", "", HOSTS).as_deref(), Some("vm.example.org"));
    }

    #[test]
    fn a_host_without_a_domain_anywhere_has_no_full_name() {
        assert_eq!(from_files("vm", "search a.example", "127.0.0.1 localhost\n127.0.0.1 vm"), None);
        assert_eq!(from_files("", "domain x", ""), None);
    }
}
