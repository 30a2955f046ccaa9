//! `orrery hosts`: what a machine needs that does not resolve this installation's host names, ready to be put there. A hosts
//! file knows no wildcards, so that each name is there by itself; with a name server one rule does.

use std::{collections::BTreeSet, fmt::Write as _, net::IpAddr, process::ExitCode};

use anyhow::{Context, ensure};
use orrery_protocol::container::{Domain, HostName, Target};
use reqwest::Url;
use serde::Serialize;

use crate::{cli::HostsArgs, config::Config, output};

/// What to put where.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Hosts {
    domain: String,
    addresses: Vec<IpAddr>,
    names: BTreeSet<String>,
    /// Instead of all of it, where a name server knows the domain.
    delegation: Option<Delegation>,
}

/// One rule for each kind of machine.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Delegation {
    linux: String,
    macos: String,
    windows: String,
}

pub(crate) fn run(args: &HostsArgs, json: bool) -> anyhow::Result<ExitCode> {
    let config = Config::of_process(&args.config_args())?;
    let hosts = Hosts::of(&config, args.address, &args.urls)?;
    if json {
        output::json(&hosts)?;
    } else {
        output::line(hosts.text().trim_end());
    }
    Ok(ExitCode::SUCCESS)
}

impl Hosts {
    fn of(config: &Config, address: Option<IpAddr>, urls: &[String]) -> anyhow::Result<Self> {
        let domain: Domain = config.domain.parse().context("domain")?;
        let mut names = BTreeSet::new();
        if domain.as_str() != "localhost" {
            names.extend([domain.to_string(), format!("ganymede.{domain}")]);
        }
        for url in urls {
            let host = named(url, &domain).with_context(|| format!("{url}: no host name below {domain}"))?;
            names.insert(HostName { org: host.org, target: Target::Gateway }.under(&domain));
            names.insert(host.under(&domain));
        }
        let delegation = config.dns()?.map(|_| Delegation::to(&config.dns.address, &domain));
        Ok(Self { domain: domain.to_string(), addresses: addresses(config, address)?, names, delegation })
    }

    /// Lines of a hosts file, and comments.
    fn text(&self) -> String {
        let Self { domain, addresses, names, delegation } = self;
        let mut text =
            String::from("# Hosts file: /etc/hosts, on Windows C:\\Windows\\System32\\drivers\\etc\\hosts\n");
        if domain == "localhost" {
            text += "# Browsers need none of this: they know that everything below localhost is this machine.\n";
        }
        if names.is_empty() {
            text += "# `orrery hosts URL...` makes lines for the URLs of containers, as the board shows them.\n";
        }
        for address in addresses {
            for name in names {
                writeln!(text, "{address}  {name}").expect("writing to memory cannot fail");
            }
        }
        if let Some(Delegation { linux, macos, windows }) = delegation {
            write!(
                text,
                "# Or, instead of lines, one rule for all names below {domain} (docs/hosts.md says more):\n\
                 #   Linux    {linux}\n#   macOS    {macos}\n#   Windows  {windows}\n"
            )
            .expect("writing to memory cannot fail");
        }
        text
    }
}

impl Delegation {
    fn to(name_server: &str, domain: &Domain) -> Self {
        Self {
            linux: format!(
                "printf '[Resolve]\\nDNS={name_server}\\nDomains=~{domain}\\n' | \
                 sudo tee /etc/systemd/resolved.conf.d/orrery.conf && sudo systemctl restart systemd-resolved"
            ),
            macos: format!("echo 'nameserver {name_server}' | sudo tee /etc/resolver/{domain}"),
            windows: format!("Add-DnsClientNrptRule -Namespace \".{domain}\" -NameServers \"{name_server}\""),
        }
    }
}

/// The host of a URL, or what is one by itself.
fn named(url: &str, domain: &Domain) -> Option<HostName> {
    let url = if url.contains("://") { Url::parse(url) } else { Url::parse(&format!("http://{url}")) };
    HostName::parse(url.ok()?.host_str()?, domain)
}

/// Where the edge is reached.
fn addresses(config: &Config, given: Option<IpAddr>) -> anyhow::Result<Vec<IpAddr>> {
    if let Some(address) = given {
        return Ok(vec![address]);
    }
    let configured = [&config.dns.address, &config.dns.address_v6].into_iter().filter(|address| !address.is_empty());
    let configured = configured.map(|address| address.parse().context("dns.address")).collect::<Result<Vec<_>, _>>()?;
    if !configured.is_empty() {
        return Ok(configured);
    }
    let listen = config.listen.ip();
    ensure!(!listen.is_unspecified(), "this installation listens on every address; name one with --address");
    Ok(vec![listen])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cli::ConfigArgs, config::Environment};

    const HOST: &str = "uc-7000000000000000--web.org-018f4c1e-2b7a-7c3d-9e4f-5a6b7c8d9e0f";

    fn check<const N: usize>(variables: [(&str, &str); N], urls: &[&str], expect: &str) {
        let config = Config::load(&ConfigArgs::default(), &Environment::from(variables)).unwrap();
        let urls: Vec<String> = urls.iter().map(|url| url.replace("HOST", HOST)).collect();
        let said = match Hosts::of(&config, None, &urls) {
            Ok(hosts) => hosts.text().lines().filter(|line| !line.starts_with("# ")).collect::<Vec<_>>().join("\n"),
            Err(error) => error.to_string(),
        };
        assert_eq!(said.replace(HOST, "HOST").replace(HOST.split_once('.').unwrap().1, "ORG"), expect);
    }

    #[test]
    fn every_name_is_a_line() {
        let home = ("HOME", "/h");
        check([home], &[], "");
        check([home], &["http://HOST.localhost:7000/lab?x=1"], "127.0.0.1  ORG.localhost\n127.0.0.1  HOST.localhost");
        check([home], &["HOST.Localhost"], "127.0.0.1  ORG.localhost\n127.0.0.1  HOST.localhost");
        let own = ("ORRERY_DOMAIN", "team.example");
        let listen = ("ORRERY_LISTEN", "192.0.2.9:80");
        check([home, own, listen], &[], "192.0.2.9  ganymede.team.example\n192.0.2.9  team.example");
        for other in ["https://evil.example/", "HOST.localhost", "https://", "HOST.team.example\n6.6.6.6 bank.example"]
        {
            let said = format!("{other}: no host name below team.example");
            check([home, own, listen], &[other], &said);
        }
        let open = ("ORRERY_LISTEN", "0.0.0.0:80");
        check([home, open], &[], "this installation listens on every address; name one with --address");
    }

    #[test]
    fn where_a_name_server_knows_the_domain_one_rule_does() {
        let variables = [
            ("HOME", "/h"),
            ("ORRERY_DOMAIN", "team.example"),
            ("DNS_SERVER_URL", "http://127.0.0.1:8081"),
            ("DNS_API_TOKEN", "canary"),
            ("ORRERY_DNS_ADDRESS", "192.0.2.7"),
        ];
        let config = Config::load(&ConfigArgs::default(), &Environment::from(variables)).unwrap();
        let text = Hosts::of(&config, None, &[]).unwrap().text();
        for part in ["192.0.2.7  team.example\n", "DNS=192.0.2.7\\nDomains=~team.example", "/etc/resolver/team.example"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("canary"));
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        assert!(lines.into_iter().all(|line| line.starts_with("192.0.2.7  ")), "it is a hosts file as it is: {text}");
    }
}
