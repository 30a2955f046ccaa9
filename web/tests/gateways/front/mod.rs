//! Containers' hosts: who gets in, what gets through. A gateway that listens, and behind it, in the place of containers,
//! servers that say what they were sent.

mod behind;
mod door;
mod entering;
mod flow;
mod hosts;
mod staying;

use std::net::{Ipv4Addr, SocketAddr};

use orrery_ganymede::people::{Secret, User};
use orrery_protocol::{
    access::{OrgRole, Role},
    container::{Phase, Reason, ReasonCode, Target},
    id::{ContainerId, OrgId, ProjectId, Slug},
    route::{Lead, RouteTable},
};
use orrery_test_ganymede::now_ms;
use orrery_web::{limits::HttpLimits, state::EdgeConfig};

use self::{
    behind::Behind,
    door::{Door, Stage},
};
use crate::{
    city::{City, Gateway},
    http::{Answer, Ask},
};

/// An organization whose gateway serves, with containers.
struct Place {
    /// Where people come to.
    door: SocketAddr,
    stages: Option<(Stage, Stage)>,
    city: City,
    gateway: Gateway,
    org: OrgId,
    project: ProjectId,
    /// The owner.
    alice: User,
    table: RouteTable,
}

/// What a browser is, to a host: its cookies.
#[derive(Debug, Clone, Default)]
struct Jar(Vec<(String, String)>);

impl Place {
    async fn new(door: Door) -> Self {
        Self::with(door, HttpLimits::default()).await
    }

    async fn with(door: Door, limits: HttpLimits) -> Self {
        let trusted_proxies = match &door {
            Door::BuiltIn => Vec::new(),
            Door::Nginx { .. } => vec![Ipv4Addr::LOCALHOST.into()],
        };
        let edge = EdgeConfig { trusted_proxies, ..EdgeConfig::default() };
        let city = City::open(edge.clone(), None).await;
        let mut stage2 = None;
        let in_front = async |own: SocketAddr| match &door {
            Door::BuiltIn => own,
            Door::Nginx { program } => stage2.insert(Stage::of_gateway(program, city.address, own).await).listen,
        };
        let gateway = city.gateway_behind(EdgeConfig { limits, ..edge }, in_front).await;
        let alice = city.person("alice").await;
        let org = city.orgs.create(now_ms(), alice.id, "moons").await.unwrap().id;
        let project = city.orgs.create_project(now_ms(), org, alice.id, "project").await.unwrap().id;
        city.pool.start(org).await.unwrap();
        let stages = match (door, stage2) {
            (Door::Nginx { program }, Some(stage2)) => {
                Some((Stage::of_ganymede(&program, city.address, org, stage2.listen).await, stage2))
            }
            _ => None,
        };
        let door = stages.as_ref().map_or(city.address, |(stage1, _)| stage1.listen);
        let mut place = Self { door, stages, city, gateway, org, project, alice, table: RouteTable::new(org) };
        place.publish().await;
        place
    }

    /// Where people come to, and where whoever is past Ganymede does.
    fn doors(&self) -> [SocketAddr; 2] {
        [self.door, self.stages.as_ref().map_or(self.gateway.address, |(_, stage2)| stage2.listen)]
    }

    /// The control plane, as a browser names it.
    fn platform(&self) -> String {
        format!("localhost:{}", self.door.port())
    }

    /// Somebody else in the organization, with this role in the project.
    async fn member(&self, name: &str, role: Role) -> User {
        let user = self.city.person(name).await;
        self.city.orgs.add_member(now_ms(), self.org, &user.email, OrgRole::Member).await.unwrap();
        self.city.orgs.set_project_role(self.project, user.id, Some(role)).await.unwrap();
        self.refreshed(|principal| principal == Some(role), user.id).await;
        user
    }

    /// Tells the gateway of a change, after which it knows what `user` may do.
    async fn refreshed(&self, is_known: impl Fn(Option<Role>) -> bool, user: orrery_protocol::id::UserId) {
        self.city.pool.refresh(self.org).await;
        let role = self.gateway.gateways.principal(self.org, user, self.project).map(|principal| principal.role);
        assert!(is_known(role), "the gateway has heard of it");
    }

    /// A container in this phase, reached at `upstream`; its host name.
    async fn container(&mut self, number: u128, phase: Phase, upstream: Option<SocketAddr>) -> String {
        let id = ContainerId::from_random(number);
        let slug = Slug::of("notebook", id, |_| false);
        let service = "web".parse().unwrap();
        let lead = Lead {
            project: self.project,
            container: id,
            name: "Alice's <notebook>".parse().unwrap(),
            service: None,
            phase,
            since_ms: 0,
            reason: Some(Reason { code: ReasonCode::Exited, text: "exit code 3".to_owned() }),
            public_paths: vec!["/hooks/".parse().unwrap()],
            upstream,
        };
        for target in [Target::Container(id, None), Target::Container(id, Some(service)), Target::Alias(slug)] {
            self.table.insert(target, lead.clone());
        }
        self.publish().await;
        self.host(&id.label())
    }

    /// Another route, of no interest to anybody.
    async fn route(&mut self, number: u128) {
        // With an upstream, so that nginx has to follow. Nobody asks for it.
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
        self.container(1_000 + number, Phase::Running, Some(nowhere)).await;
    }

    /// Makes the table known to everybody who goes by it.
    async fn publish(&mut self) {
        self.gateway.tables.publish(self.table.clone());
        if let Some((_, stage2)) = &mut self.stages {
            stage2.follow(self.gateway.address, &self.table).await;
        }
    }

    /// A host of the organization, as a browser names it that came through Ganymede.
    fn host(&self, label: &str) -> String {
        format!("{label}.org-{}.localhost:{}", self.org, self.door.port())
    }

    async fn session(&self, user: &User) -> Secret {
        self.city.people.open_session(now_ms(), user.id).await.unwrap()
    }

    /// What a browser has on a host after its user went through the gate.
    async fn visit(&self, host: &str, session: &Secret) -> Jar {
        let mut jar = Jar::default();
        let entered = self.through_gate(host, "/", session, &mut jar).await;
        assert_eq!(entered.status, 302, "{}", entered.head);
        jar
    }

    /// Goes to a page, to Ganymede, and back to the host; the answer of the way in.
    async fn through_gate(&self, host: &str, path: &str, session: &Secret, jar: &mut Jar) -> Answer {
        let left = self.browse(host, path, jar).await.expect(302);
        let there = self.at_gate(&left, session).await.expect(302);
        self.browse(host, path_of(location(&there)), jar).await
    }

    /// Ganymede's answer to who was sent there.
    async fn at_gate(&self, left: &Answer, session: &Secret) -> Answer {
        let to = path_of(location(left));
        assert!(to.starts_with("/gate/authorize?host=uc-"), "{to}");
        let cookie = format!("orrery_session={}", session.expose());
        let ask = Ask::get(to).at(&self.platform()).header("cookie", cookie).header("accept", "text/html");
        ask.of(self.door).await
    }

    /// Where somebody who is signed in nowhere ends up at Ganymede.
    async fn asked_to_sign_in(&self, left: &Answer) -> String {
        let mut to = location(left).to_owned();
        while to.contains("/gate/authorize?") && !path_of(&to).starts_with("/sign-in") {
            let host = to.strip_prefix("http://").and_then(|rest| rest.split('/').next()).expect("an origin");
            let ask = Ask::get(path_of(&to)).at(host).header("accept", "text/html");
            to = location(&ask.of(self.door).await.expect(302)).to_owned();
        }
        path_of(&to).to_owned()
    }

    /// Goes to a page of a host, and keeps what is set.
    async fn browse(&self, host: &str, path: &str, jar: &mut Jar) -> Answer {
        let answer = jar.on(Ask::get(path)).at(host).header("accept", "text/html").of(self.door).await;
        jar.keep(&answer);
        answer
    }
}

impl Jar {
    fn on(&self, ask: Ask) -> Ask {
        if self.0.is_empty() { ask } else { ask.header("cookie", self.line()) }
    }

    fn line(&self) -> String {
        let pairs: Vec<String> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("; ")
    }

    fn keep(&mut self, answer: &Answer) {
        for set in answer.headers("set-cookie") {
            assert!(
                set.contains("; HttpOnly; SameSite=Lax; Path=/") && !set.to_lowercase().contains("domain"),
                "{set}"
            );
            let (name, value) = set.split(';').next().unwrap().split_once('=').unwrap();
            self.0.retain(|(known, _)| known != name);
            if !value.is_empty() {
                self.0.push((name.to_owned(), value.to_owned()));
            }
        }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

fn location(answer: &Answer) -> &str {
    answer.header("location").expect("it leads elsewhere")
}

/// What stands behind scheme and host of an address.
fn path_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').map_or("/", |slash| &rest[slash..])
}

/// A running container with a server that tells what it was sent.
async fn running(place: &mut Place) -> (String, Behind) {
    let behind = Behind::listen().await;
    let host = place.container(1, Phase::Running, Some(behind.address)).await;
    (host, behind)
}
