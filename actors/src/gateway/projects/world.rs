//! What follows from all projects together: what the engine shall do, and where requests go. Both are told as they are
//! durable, and only if they differ from what was told last.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use orrery_protocol::{
    container::{
        Entry, HostName, Listening, Observation, Phase, Rules, Target, VariableValue,
        plan::{Wanted, WantedContainer, WantedProject, WantedState},
    },
    id::{ContainerId, OrgId, ProjectId},
    image::{ContainerImage, ServiceDefinition},
    project::Project,
};

use super::{
    Outcome, Projects, Slot, Then,
    told::{News, Turn},
};
use crate::engine::{Blueprint, Probe, Sightings, World};

impl World {
    /// What is wanted of an organization whose projects are not known yet.
    pub(super) fn unknown(org: OrgId) -> Self {
        let wanted = Wanted { org, projects: BTreeMap::new() };
        Self { wanted, blueprints: BTreeMap::new(), watched: BTreeSet::new(), pass: 0 }
    }
}

impl Projects {
    /// Has the engine made equal to what is wanted, from now on.
    pub(in crate::gateway) fn reconcile(&mut self) {
        let (reports, credentials) = (Arc::new(self.reporter()), Arc::new(self.vault()));
        let engine = self.config.engine.as_ref();
        let org = self.tenure.org();
        self.reconciling = engine.map(|engine| engine.reconcile(org, self.world.subscribe(), reports, credentials));
    }

    /// Host names of the organization are known to the world from now on, or are not.
    pub(super) fn name(&mut self, named: bool, outcomes: &mut Vec<Outcome>) {
        if std::mem::replace(&mut self.named, named) == named {
            return;
        }
        let open = self.slots.iter().filter(|(_, slot)| slot.loaded().is_some_and(Project::is_open));
        let open: Vec<ProjectId> = open.map(|(id, _)| *id).collect();
        for id in open {
            if let Some(project) = self.slots.get_mut(&id).and_then(Slot::loaded_mut) {
                project.rename(named);
            }
            self.commit(id, None, false, outcomes);
        }
    }

    /// What the engine was seen to have, to be taken in with one write for each project.
    pub(in crate::gateway) fn sighted(&mut self, sightings: Sightings, outcomes: &mut Vec<Outcome>) {
        let Sightings { pass, observations, addresses } = sightings;
        if let Some(addresses) = addresses {
            self.addresses = addresses;
        }
        let mut by_project: BTreeMap<ProjectId, Vec<(ContainerId, Observation)>> = BTreeMap::new();
        for (project, container, observation) in observations {
            by_project.entry(project).or_default().push((container, observation));
        }
        // What cannot be changed now is seen again with the next pass.
        let takes_in = |slot: &Slot| slot.loaded().is_some_and(Project::is_open) && !slot.is_held();
        by_project.retain(|id, _| self.slots.get(id).is_some_and(takes_in));
        self.passes.insert(pass, by_project.len());
        let now_ms = self.config.clock.unix_ms();
        for (id, observations) in by_project {
            let Some(project) = self.slots.get_mut(&id).and_then(Slot::loaded_mut) else { continue };
            for (container, observation) in observations {
                let change = project.containers().observe(&self.rules, now_ms, container, &observation);
                project.stage(change);
            }
            self.commit(id, Some(Then::Pass(pass)), false, outcomes);
        }
        self.pass_over();
        self.dirty = true;
    }

    /// One project has taken a pass in.
    pub(super) fn passed(&mut self, pass: u64) {
        if let Some(left) = self.passes.get_mut(&pass) {
            *left -= 1;
        }
        self.pass_over();
    }

    fn pass_over(&mut self) {
        while let Some(first) = self.passes.first_entry().filter(|first| *first.get() == 0) {
            self.pass = first.remove_entry().0;
            self.dirty = true;
        }
    }

    /// Somebody looks at a project's containers now, or nobody does any more.
    pub(in crate::gateway) fn watch(&mut self, id: ProjectId, watched: bool) {
        self.dirty |= if watched { self.watched.insert(id) } else { self.watched.remove(&id) };
    }

    /// Tells what follows, if anything may have changed: what of it did, in the same time however much there is beside it.
    pub(in crate::gateway) fn publish(&mut self) {
        if !std::mem::take(&mut self.dirty) {
            return;
        }
        let news = self.news();
        let before = news.iter().flat_map(|news| &news.containers).filter_map(|turn| turn.before.as_deref());
        before.for_each(|entry| self.table.take(entry));
        for news in &news {
            for Turn { id, now, .. } in &news.containers {
                let address = self.addresses.get(id);
                now.iter().for_each(|entry| self.table.put(news.project, entry, &self.rules, address));
            }
        }
        self.table.whole = self.slots.values().all(|slot| slot.loaded().is_some());
        self.tables.publish(self.table.clone());
        let known = self.world.borrow().clone();
        if let Some(world) = self.to_be(&known, &news) {
            self.world.send_replace(Arc::new(world));
        }
    }

    /// What became of projects since they were told of, those that are gone among them.
    fn news(&mut self) -> Vec<News> {
        for id in self.slots.keys() {
            self.told.entry(*id).or_default();
        }
        let mut news = Vec::new();
        self.told.retain(|id, told| {
            let slot = self.slots.get(id);
            news.extend(told.follow(*id, slot, &self.addresses));
            slot.is_some()
        });
        news
    }

    /// The world with what became of projects; `None` if that is how it was `known`.
    fn to_be(&self, known: &World, news: &[News]) -> Option<World> {
        let is_gone = |id: &&ProjectId| !self.slots.contains_key(id);
        let mut wanted: Vec<_> = known.wanted.projects.keys().filter(is_gone).map(|id| (*id, None)).collect();
        for (id, slot) in &self.slots {
            let known = known.wanted.projects.get(id);
            if known.is_none() || news.iter().any(|news| news.project == *id) {
                let now = slot.wanted(&self.rules);
                wanted.extend((known != Some(&now)).then_some((*id, Some(now))));
            }
        }
        let mut blueprints = Vec::new();
        for news in news {
            for Turn { id, now, .. } in &news.containers {
                let entry = now.as_deref().filter(|entry| is_made_here(entry));
                let now = entry.map(|entry| blueprint(news.project, entry, &self.rules));
                if now.as_ref() != known.blueprints.get(id) {
                    blueprints.push((*id, now));
                }
            }
        }
        let same = wanted.is_empty() && blueprints.is_empty();
        if same && (&known.watched, known.pass) == (&self.watched, self.pass) {
            return None;
        }
        let mut world = known.clone();
        for (project, now) in wanted {
            match now {
                Some(now) => drop(world.wanted.projects.insert(project, now)),
                None => drop(world.wanted.projects.remove(&project)),
            }
        }
        for (container, now) in blueprints {
            match now {
                Some(now) => drop(world.blueprints.insert(container, now)),
                None => drop(world.blueprints.remove(&container)),
            }
        }
        (world.watched, world.pass) = (self.watched.clone(), self.pass);
        Some(world)
    }
}

impl Slot {
    fn wanted(&self, rules: &Rules) -> WantedProject {
        let Some(project) = self.loaded().filter(|_| !self.is_held()) else { return WantedProject::Unloaded };
        let mut wanted = project.durable_containers().wanted(rules);
        if let WantedProject::Loaded(containers) = &mut wanted {
            // Of no generation: whatever there is of it is newer, and left alone.
            let unread = WantedContainer {
                state: WantedState::AtRest,
                generation: 0,
                image: None,
                stop_at_ms: None,
                object: None,
            };
            containers.extend(self.unreadable.iter().map(|id| (*id, unread.clone())));
        }
        wanted
    }
}

/// Whether how it is made may have to be known.
fn is_made_here(entry: &Entry) -> bool {
    entry.container.spec.runner.is_none() && entry.container.status.phase != Phase::Deleted
}

fn blueprint(project: ProjectId, entry: &Entry, rules: &Rules) -> Blueprint {
    let (id, spec) = (entry.container.id, &entry.container.spec);
    let definition = rules.images.get(&spec.image.image);
    let org = HostName { org: rules.site.org, target: Target::Gateway };
    let defaults = definition.into_iter().flat_map(|image| &image.env);
    let mut env: BTreeMap<String, String> = defaults
        .filter(|variable| !spec.env.contains_key(&variable.name))
        .filter_map(|variable| Some((variable.name.to_string(), variable.default.clone()?)))
        .collect();
    let mut secrets = Vec::new();
    for (name, value) in &spec.env {
        match value {
            VariableValue::Plain(text) => drop(env.insert(name.to_string(), text.clone())),
            VariableValue::Secret(_) => secrets.push(name.clone()),
        }
    }
    env.insert("PUBLIC_URL".to_owned(), rules.site.url(id, None));
    env.insert("ORG_HOST".to_owned(), org.under(&rules.site.domain));
    Blueprint {
        project,
        generation: spec.generation,
        hostname: spec.slug.to_string(),
        env,
        secrets,
        limits: spec.limits,
        options: definition.map(|image| image.options.clone()).unwrap_or_default(),
        ports: ports(entry, definition),
        ports_open: entry.is_open(rules),
        probes: probes(entry, rules),
        image: rules.images.resolve(&spec.image).ok().map(|(_, reference)| reference),
    }
}

fn ports(entry: &Entry, definition: Option<&ContainerImage>) -> Vec<u16> {
    let declared = definition.into_iter().flat_map(|image| image.ports.iter().copied());
    let listening = entry.vitals.listening.iter().flat_map(Listening::services).map(|(_, port)| port);
    declared.chain(listening).collect()
}

/// Who reports is not asked, and what an image exposes may be anything.
fn probes(entry: &Entry, rules: &Rules) -> Vec<Probe> {
    if entry.vitals.watchdog_at_ms.is_some() {
        return Vec::new();
    }
    let definition = rules.images.get(&entry.container.spec.image.image);
    let declared = definition.into_iter().flat_map(|image| &image.services);
    let probe = |service: &ServiceDefinition| {
        let port = entry.port(rules, &service.name)?;
        Some(Probe { service: service.name.clone(), port, path: service.probe.clone() })
    };
    let said = match &entry.vitals.listening {
        Some(listening @ Listening::Said(_)) => listening.services(),
        Some(Listening::Exposed(_)) | None => Vec::new(),
    };
    let said = said.into_iter().map(|(service, port)| Probe { service, port, path: "/".to_owned() });
    declared.filter_map(probe).chain(said).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use orrery_protocol::{
        command::ContainerCommand,
        container::{Caller, Containers, Observation},
        id::UserId,
    };
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::*;
    use crate::fake::{FakeGanymede, IO, ORG, visitor};

    /// A project with one container.
    struct Scene {
        rules: Rules,
        containers: Containers,
    }

    impl Scene {
        fn new(fields: Value) -> Self {
            let rules = visitor::config(Arc::new(FakeGanymede::default())).containers.rules(ORG);
            let mut event = json!({"type": "user-containers:new", "name": "Notebook"});
            fields.as_object().unwrap().iter().for_each(|(key, value)| event[key] = value.clone());
            let mut scene = Self { rules, containers: Containers::default() };
            scene.reduce(Caller::Member(UserId(Uuid::nil())), &event);
            scene
        }

        fn reduce(&mut self, caller: Caller, event: &Value) {
            let command = ContainerCommand::parse(event).unwrap();
            let change = self.containers.reduce(&self.rules, caller, &command, 0, &mut || 7).unwrap();
            self.containers.apply(change);
        }

        fn hear(&mut self, event: &Value) {
            self.reduce(Caller::Container(self.entry().container.id), event);
        }

        fn entry(&self) -> &Entry {
            self.containers.iter().next().unwrap()
        }

        fn see(&mut self, observation: &Observation) {
            let change = self.containers.observe(&self.rules, 0, self.entry().container.id, observation);
            self.containers.apply(change);
        }

        fn blueprint(&self) -> Blueprint {
            assert!(is_made_here(self.entry()));
            blueprint(IO, self.entry(), &self.rules)
        }

        /// Ports, whether there may be more, and what is asked of which.
        fn listening(&self) -> (Vec<u16>, bool, Vec<(String, u16, String)>) {
            let Blueprint { ports, ports_open, probes, .. } = self.blueprint();
            let probes = probes.into_iter().map(|probe| (probe.service.to_string(), probe.port, probe.path));
            (ports, ports_open, probes.collect())
        }
    }

    #[test]
    fn what_a_container_is_made_with_holds_no_secret() {
        let env = json!({"TZ": "UTC", "KEY": {"value": "canary-1", "secret": true}});
        let blueprint = Scene::new(json!({"image": "jupyter:minimal", "env": env})).blueprint();
        assert!(!format!("{blueprint:?}").contains("canary-1"));
        assert_eq!(blueprint.secrets, ["KEY".parse().unwrap()]);
        let names: Vec<&str> = blueprint.env.keys().map(String::as_str).collect();
        assert_eq!(names, ["ORG_HOST", "PUBLIC_URL", "TZ"]);
        assert_eq!(blueprint.env["ORG_HOST"], format!("org-{ORG}.localhost"));
        assert_eq!(
            blueprint.env["PUBLIC_URL"],
            format!("http://uc-7000000000000000.{}:7000/", blueprint.env["ORG_HOST"])
        );
        assert_eq!((blueprint.generation, blueprint.project), (1, IO));
    }

    #[test]
    fn services_are_asked_where_they_listen_unless_their_container_reports() {
        let mut scene = Scene::new(json!({"image": "jupyter:minimal"}));
        let lab = |port| vec![("lab".to_owned(), port, "/api".to_owned())];
        assert_eq!(scene.listening(), (vec![8888], false, lab(8888)));
        scene.see(&Observation::Runs { generation: 1 });
        scene.hear(&json!({"type": "user-container:map-http-service", "name": "lab", "port": 9999}));
        assert_eq!(scene.listening(), (vec![8888], false, lab(9999)));
        scene.hear(&json!({"type": "user-container:watchdog"}));
        assert_eq!(scene.listening().2, []);
    }

    #[test]
    fn an_image_of_ones_own_listens_where_it_says_or_where_its_maker_says() {
        let mut scene = Scene::new(json!({"image": "generic/web:1"}));
        assert_eq!(scene.listening(), (vec![], true, vec![]));
        scene.see(&Observation::Exposes([22, 80].into()));
        assert_eq!(scene.listening(), (vec![80, 22], false, vec![]), "nobody knows whether it speaks HTTP");
        let said = Scene::new(json!({"image": "generic/web:1", "port": 7070}));
        assert_eq!(said.listening(), (vec![7070], false, vec![("main".to_owned(), 7070, "/".to_owned())]));
    }

    #[test]
    fn what_is_on_somebodys_own_machine_is_not_made_here() {
        let scene = Scene::new(json!({"image": "jupyter:minimal", "runner": "laptop"}));
        assert!(!is_made_here(scene.entry()));
    }
}
