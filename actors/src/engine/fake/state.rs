//! What a fake engine has.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use orrery_protocol::{
    container::{
        Run,
        plan::{Labels, LocalImage, LocalImageId, Object, ObjectId, ObjectState},
    },
    id::OrgId,
    image::Reference,
    route::Address,
};
use tokio::time::Instant;

use super::{image_id, program::Program};
use crate::engine::runtime::{Found, Listing, Making, RuntimeError, Tenants};

/// What somebody does past everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hand {
    /// Ends it at once.
    Kill,
    /// Starts it.
    Start,
    /// Holds it.
    Pause,
    /// Removes it, whatever it does.
    Remove,
}

/// One object, as it is.
#[derive(Debug, Clone)]
pub struct FakeObject {
    /// Which.
    pub id: ObjectId,
    /// What it was made for.
    pub labels: Labels,
    /// What it is doing.
    pub state: ObjectState,
    /// What it was given.
    pub environment: BTreeMap<String, String>,
}

struct Item {
    id: ObjectId,
    name: Option<String>,
    making: Making,
    state: ObjectState,
    program: Program,
    address: IpAddr,
    run: Run,
    ends: Option<Instant>,
    lines: Vec<(u64, String)>,
}

#[derive(Default)]
pub(super) struct State {
    items: Vec<Item>,
    images: BTreeMap<LocalImageId, LocalImage>,
    exposed: BTreeMap<LocalImageId, BTreeSet<u16>>,
    registry: BTreeMap<Reference, u64>,
    networks: BTreeSet<OrgId>,
    counter: u64,
    pub(super) actions: u64,
    pub(super) lists: u64,
}

impl State {
    pub(super) fn add_image(&mut self, image: &Reference) {
        let tags = if image.digest.is_none() { BTreeSet::from([image.clone()]) } else { BTreeSet::new() };
        let digests = image.digest.iter().cloned().collect();
        self.images.insert(image_id(image), LocalImage { tags, digests });
    }

    pub(super) fn expose(&mut self, image: &Reference, ports: &[u16]) {
        self.exposed.insert(image_id(image), ports.iter().copied().collect());
    }

    pub(super) fn exposed(&self, image: &LocalImageId) -> Result<BTreeSet<u16>, RuntimeError> {
        let known = self.images.contains_key(image);
        if known { Ok(self.exposed.get(image).cloned().unwrap_or_default()) } else { Err(RuntimeError::NotFound) }
    }

    pub(super) fn tenants(&self) -> Tenants {
        let mut tenants: Tenants = self.networks.iter().map(|org| (*org, BTreeSet::new())).collect();
        for Labels { org, project, .. } in self.items.iter().map(|item| item.making.labels) {
            tenants.entry(org).or_default().insert(project);
        }
        tenants
    }

    pub(super) fn publish_image(&mut self, image: &Reference, pull_ms: u64) {
        self.registry.insert(image.clone(), pull_ms);
    }

    pub(super) fn pull_ms(&self, image: &Reference) -> Result<u64, RuntimeError> {
        self.registry.get(image).copied().ok_or_else(|| RuntimeError::NoSuchImage(image.to_string()))
    }

    pub(super) fn objects(&self) -> Vec<FakeObject> {
        let object = |item: &Item| FakeObject {
            id: item.id.clone(),
            labels: item.making.labels,
            state: item.state,
            environment: item.making.environment.clone(),
        };
        self.items.iter().map(object).collect()
    }

    pub(super) fn networks(&self) -> Vec<OrgId> {
        self.networks.iter().copied().collect()
    }

    /// What has ended by itself until now.
    pub(super) fn settle(&mut self, now: Instant) {
        for item in &mut self.items {
            let due = item.ends.is_some_and(|at| at <= now) && item.state == ObjectState::Running;
            if let Some((_, exit_code, out_of_memory)) = item.program.end().filter(|_| due) {
                item.state = ObjectState::Ended { run: item.run, exit_code, out_of_memory };
            }
        }
    }

    pub(super) fn list(&self, org: OrgId) -> Listing {
        let ours = self.items.iter().filter(|item| item.making.labels.org == org);
        let found = |item: &Item| Found {
            object: Object {
                id: item.id.clone(),
                labels: item.making.labels,
                state: item.state,
                image: item.making.image.clone(),
            },
            address: (item.state == ObjectState::Running)
                .then(|| Address { host: item.address, published: BTreeMap::new() }),
        };
        Listing { objects: ours.map(found).collect(), images: self.images.clone() }
    }

    fn item(&mut self, object: &ObjectId) -> Result<&mut Item, RuntimeError> {
        self.items.iter_mut().find(|item| item.id == *object).ok_or(RuntimeError::NotFound)
    }

    /// A double has no name of its own, so nothing keeps it from being made.
    pub(super) fn create(&mut self, making: &Making, double: bool) -> Result<ObjectId, RuntimeError> {
        if !self.images.contains_key(&making.image) {
            return Err(RuntimeError::NoSuchImage(making.image.0.clone()));
        }
        if !self.networks.contains(&making.labels.org) {
            return Err(RuntimeError::Failed("there is no such network".to_owned()));
        }
        let name = (!double).then(|| format!("{}-{}", making.labels.container, making.labels.generation));
        if let Some(namesake) = self.items.iter().find(|item| name.is_some() && item.name == name) {
            let same = namesake.making.labels == making.labels;
            return if same { Ok(namesake.id.clone()) } else { Err(RuntimeError::Conflict("its name".to_owned())) };
        }
        self.counter += 1;
        let id = ObjectId(format!("object-{:08}", self.counter));
        let [.., high, low] = self.counter.to_be_bytes();
        self.items.push(Item {
            id: id.clone(),
            name,
            program: Program::of(&making.blueprint.options.command),
            making: making.clone(),
            state: ObjectState::Created,
            address: IpAddr::V4(Ipv4Addr::new(10, 9, high, low)),
            run: Run(0),
            ends: None,
            lines: Vec::new(),
        });
        Ok(id)
    }

    /// When it will end by itself.
    pub(super) fn start(&mut self, object: &ObjectId) -> Result<Option<Duration>, RuntimeError> {
        self.counter += 1;
        let run = Run(self.counter);
        let item = self.item(object)?;
        match item.state {
            ObjectState::Created | ObjectState::Ended { .. } => {}
            ObjectState::Running => return Ok(None),
            ObjectState::Paused | ObjectState::Changing | ObjectState::Dead | ObjectState::Unknown => {
                return Err(RuntimeError::Conflict("it cannot be started".to_owned()));
            }
        }
        let end = item.program.end();
        (item.state, item.run) = (ObjectState::Running, run);
        item.ends = end.map(|(after, ..)| Instant::now() + after);
        item.lines.push((run.0, format!("run {}", run.0)));
        Ok(end.map(|(after, ..)| after))
    }

    /// Whether it does not listen.
    pub(super) fn ask_to_stop(&mut self, object: &ObjectId) -> Result<bool, RuntimeError> {
        let item = self.item(object)?;
        let runs = matches!(item.state, ObjectState::Running | ObjectState::Paused);
        if runs && item.program == Program::Stubborn {
            return Ok(true);
        }
        if runs {
            item.state = ObjectState::Ended { run: item.run, exit_code: 143, out_of_memory: false };
        }
        Ok(false)
    }

    pub(super) fn resume(&mut self, object: &ObjectId) -> Result<(), RuntimeError> {
        let item = self.item(object)?;
        if item.state == ObjectState::Paused {
            item.state = ObjectState::Running;
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, object: &ObjectId) -> Result<(), RuntimeError> {
        match self.item(object).map(|item| item.state) {
            Err(_) => Ok(()),
            Ok(ObjectState::Running | ObjectState::Paused) => Err(RuntimeError::Conflict("it runs".to_owned())),
            Ok(_) => {
                self.items.retain(|item| item.id != *object);
                Ok(())
            }
        }
    }

    pub(super) fn by_hand(&mut self, hand: Hand, object: &ObjectId) {
        let Ok(item) = self.item(object) else { return };
        match hand {
            Hand::Kill if matches!(item.state, ObjectState::Running | ObjectState::Paused) => {
                item.state = ObjectState::Ended { run: item.run, exit_code: 137, out_of_memory: false };
            }
            Hand::Pause if item.state == ObjectState::Running => item.state = ObjectState::Paused,
            Hand::Kill | Hand::Pause => {}
            Hand::Start => drop(self.start(object)),
            Hand::Remove => self.items.retain(|item| item.id != *object),
        }
    }

    pub(super) fn end_all(&mut self) {
        let all: Vec<ObjectId> = self.items.iter().map(|item| item.id.clone()).collect();
        all.iter().for_each(|object| self.by_hand(Hand::Kill, object));
    }

    pub(super) fn runs(&self, object: &ObjectId) -> bool {
        self.items.iter().any(|item| item.id == *object && item.state == ObjectState::Running)
    }

    pub(super) fn lines(&mut self, object: &ObjectId) -> Vec<(u64, String)> {
        self.item(object).map(|item| item.lines.clone()).unwrap_or_default()
    }

    pub(super) fn ensure_network(&mut self, org: OrgId) {
        self.networks.insert(org);
    }

    pub(super) fn remove_network(&mut self, org: OrgId) -> Result<(), RuntimeError> {
        if self.items.iter().any(|item| item.making.labels.org == org) {
            return Err(RuntimeError::Conflict("something is on it".to_owned()));
        }
        self.networks.remove(&org);
        Ok(())
    }

    pub(super) fn answers(&self, address: SocketAddr) -> bool {
        let serves = |item: &Item| item.program == Program::Serve(address.port()) && item.address == address.ip();
        self.items.iter().any(|item| serves(item) && item.state == ObjectState::Running)
    }
}
