//! From what is wanted to the text of configuration files. Pure. The templates are part of the program; what they are
//! filled with are [`Word`]s.

use std::{collections::BTreeMap, net::SocketAddr};

use minijinja::{Environment, UndefinedBehavior, syntax::SyntaxConfig, value::Serde};
use orrery_protocol::container::{HostName, Target};
use serde::Serialize;

use super::{
    config::NginxSettings,
    wanted::{Certificate, Stage1Wanted, Stage2Wanted, Wanted},
    word::{ConfigPath, Word},
};

/// Files by their path below the tree. The paths are made here.
pub(super) type Tree = BTreeMap<String, String>;

/// Connections need this many files each, and a worker some of its own.
const FILES_PER_CONNECTION: u64 = 2;
const FILES_OF_A_WORKER: u64 = 64;

/// Renders trees. Knows the templates.
#[derive(Debug)]
pub(super) struct Renderer {
    templates: Environment<'static>,
}

/// A template, or what it was given, is wrong: a defect.
#[derive(Debug, thiserror::Error)]
#[error("a configuration file cannot be rendered: {0}")]
pub struct RenderError(#[from] minijinja::Error);

#[derive(Serialize)]
struct Base {
    user: Option<Word>,
    workers: Word,
    worker_shutdown: Word,
    worker_connections: Word,
    open_files: Word,
    idle: Word,
    run: Word,
    tree: Word,
    trusted_proxies: Vec<Word>,
}

#[derive(Serialize)]
struct Headers {
    towards: &'static str,
}

#[derive(Serialize)]
struct Tls {
    listen: Word,
    /// `:port`, unless it is the usual one.
    port: Option<Word>,
    chain: Word,
    key: Word,
    written_at_s: Word,
}

#[derive(Serialize)]
struct Ganymede {
    listen: Word,
    tls: Option<Tls>,
    domain: Word,
    ganymede: Word,
    tree: Word,
}

#[derive(Serialize)]
struct Org {
    listen: Word,
    tls: Option<Tls>,
    own: Word,
    below: Word,
    gateway: Word,
    tree: Word,
}

#[derive(Serialize)]
struct Gateway {
    listen: Word,
    gateway: Word,
    tree: Word,
}

#[derive(Serialize)]
struct Services {
    listen: Word,
    gateway: Word,
    tree: Word,
    services: Vec<Service>,
}

#[derive(Serialize)]
struct Service {
    names: Vec<Word>,
    upstream: Word,
}

impl Renderer {
    pub(super) fn new() -> Result<Self, RenderError> {
        let mut templates = Environment::new();
        templates.set_undefined_behavior(UndefinedBehavior::Strict);
        templates.set_syntax(SyntaxConfig::builder().keep_trailing_newline(true).build()?);
        for (name, text) in [
            ("base.conf", include_str!("templates/base.conf")),
            ("headers.conf", include_str!("templates/headers.conf")),
            ("absent.conf", include_str!("templates/absent.conf")),
            ("tls.conf", include_str!("templates/tls.conf")),
            ("ganymede.conf", include_str!("templates/ganymede.conf")),
            ("org.conf", include_str!("templates/org.conf")),
            ("gateway.conf", include_str!("templates/gateway.conf")),
            ("services.conf", include_str!("templates/services.conf")),
        ] {
            templates.add_template(name, text)?;
        }
        Ok(Self { templates })
    }

    /// The files of `wanted`, to be put into the folder `tree`.
    pub(super) fn tree(
        &self,
        settings: &NginxSettings,
        wanted: &Wanted,
        tree: &ConfigPath,
    ) -> Result<Tree, RenderError> {
        let mut files = Tree::new();
        let base = base(settings, tree);
        files.insert("nginx.conf".to_owned(), self.fill("base.conf", &base)?);
        files.insert("towards_us.conf".to_owned(), self.fill("headers.conf", &Headers { towards: "us" })?);
        files.insert("absent.conf".to_owned(), self.fill("absent.conf", &())?);
        match wanted {
            Wanted::Stage1(wanted) => self.stage_1(settings, wanted, tree, &mut files)?,
            Wanted::Stage2(wanted) => self.stage_2(settings, wanted, tree, &mut files)?,
        }
        Ok(files)
    }

    fn stage_1(
        &self,
        settings: &NginxSettings,
        wanted: &Stage1Wanted,
        tree: &ConfigPath,
        files: &mut Tree,
    ) -> Result<(), RenderError> {
        let Stage1Wanted { domain, ganymede, tls, gateways } = wanted;
        let (listen, tree) = (Word::from(settings.listen), Word::from(tree));
        let with = |certificate: &Certificate| settings.tls.as_ref().map(|(listen, _)| Tls::of(*listen, certificate));
        if tls.is_some() {
            files.insert("sites/00_tls.conf".to_owned(), self.fill("tls.conf", &())?);
        }
        let site = Ganymede {
            listen: listen.clone(),
            tls: tls.as_ref().and_then(|tls| with(&tls.domain)),
            domain: Word::from(domain),
            ganymede: Word::from(*ganymede),
            tree: tree.clone(),
        };
        files.insert("sites/01_ganymede.conf".to_owned(), self.fill("ganymede.conf", &site)?);
        for (org, gateway) in gateways {
            let name = HostName { org: *org, target: Target::Gateway };
            let site = Org {
                listen: listen.clone(),
                tls: tls.as_ref().and_then(|tls| with(tls.orgs.get(org).unwrap_or(&tls.domain))),
                own: Word::host(&name, domain),
                below: Word::below(&name, domain),
                gateway: Word::from(*gateway),
                tree: tree.clone(),
            };
            files.insert(format!("sites/org-{org}.conf"), self.fill("org.conf", &site)?);
        }
        Ok(())
    }

    fn stage_2(
        &self,
        settings: &NginxSettings,
        wanted: &Stage2Wanted,
        tree: &ConfigPath,
        files: &mut Tree,
    ) -> Result<(), RenderError> {
        let Stage2Wanted { domain, gateway, services } = wanted;
        for (file, towards) in [("towards_service.conf", "service"), ("towards_verifier.conf", "verifier")] {
            files.insert(file.to_owned(), self.fill("headers.conf", &Headers { towards })?);
        }
        let (listen, gateway, tree) = (Word::from(settings.listen), Word::from(*gateway), Word::from(tree));
        let site = Gateway { listen: listen.clone(), gateway: gateway.clone(), tree: tree.clone() };
        files.insert("sites/01_gateway.conf".to_owned(), self.fill("gateway.conf", &site)?);
        for (org, services) in services {
            let services = services.iter().map(|(upstream, names)| Service {
                names: names.iter().map(|name| Word::host(name, domain)).collect(),
                upstream: Word::from(*upstream),
            });
            let site = Services {
                listen: listen.clone(),
                gateway: gateway.clone(),
                tree: tree.clone(),
                services: services.collect(),
            };
            files.insert(format!("sites/org-{org}.conf"), self.fill("services.conf", &site)?);
        }
        Ok(())
    }

    fn fill<T: Serialize>(&self, template: &str, values: &T) -> Result<String, RenderError> {
        Ok(self.templates.get_template(template)?.render(Serde(values))?)
    }
}

fn base(settings: &NginxSettings, tree: &ConfigPath) -> Base {
    let connections = u64::from(settings.worker_connections);
    Base {
        user: settings.user.as_ref().map(Word::from),
        workers: Word::from(u64::from(settings.workers)),
        worker_shutdown: Word::milliseconds(settings.worker_shutdown),
        worker_connections: Word::from(connections),
        open_files: Word::from(connections * FILES_PER_CONNECTION + FILES_OF_A_WORKER),
        idle: Word::milliseconds(settings.idle),
        run: Word::from(&settings.run()),
        tree: Word::from(tree),
        trusted_proxies: settings.trusted_proxies.iter().copied().map(Word::from).collect(),
    }
}

impl Tls {
    fn of(listen: SocketAddr, certificate: &Certificate) -> Self {
        Self {
            listen: Word::from(listen),
            port: (listen.port() != 443).then(|| Word::port_suffix(listen.port())),
            chain: Word::from(&certificate.chain),
            key: Word::from(&certificate.key),
            written_at_s: Word::from(certificate.written_at_s),
        }
    }
}

#[cfg(test)]
mod tests;
