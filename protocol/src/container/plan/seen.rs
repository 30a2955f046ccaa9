//! What there is in an engine, as far as it says.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    container::{Observation, Run},
    id::{ContainerId, OrgId, ProjectId},
    image::{Digest, Reference},
};

/// An object of an engine, by the engine's own id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId(pub String);

/// An image in an engine, by the engine's own id. No two images have one; an image has one for ever.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LocalImageId(pub String);

/// What an engine's object was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Labels {
    /// `orrery.org`.
    pub org: OrgId,
    /// `orrery.project`.
    pub project: ProjectId,
    /// `orrery.container`.
    pub container: ContainerId,
    /// `orrery.generation`.
    pub generation: u32,
}

/// What an object of an engine is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectState {
    /// Made and never started.
    Created,
    /// Running.
    Running,
    /// Running, and held by somebody's hand.
    Paused,
    /// On its way from one state to another.
    Changing,
    /// Ended.
    Ended {
        /// Which run did.
        run: Run,
        /// What the program said.
        exit_code: i64,
        /// Whether it was killed for the memory it took.
        out_of_memory: bool,
    },
    /// What is left of one that the engine could not remove.
    Dead,
    /// The engine does not say.
    Unknown,
}

/// One object of an engine that bears our labels. Others are none of our business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Which.
    pub id: ObjectId,
    /// What it was made for.
    pub labels: Labels,
    /// What it is doing.
    pub state: ObjectState,
    /// What it was made from.
    pub image: LocalImageId,
}

/// One image of an engine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LocalImage {
    /// The names it has here, tags only.
    pub tags: BTreeSet<Reference>,
    /// The digests under which it was had from somewhere. Images that were built here have none.
    pub digests: BTreeSet<Digest>,
}

/// All that an engine has of ours, listed at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Objects with our labels.
    pub objects: Vec<Object>,
    /// Images.
    pub images: BTreeMap<LocalImageId, LocalImage>,
    /// Images that are on their way.
    pub pulling: BTreeSet<Reference>,
}

impl Seen {
    /// The image of this engine that a reference means; `None` if it has to be had first. A digest is looked up among digests
    /// and a tag among tags, never one among the other.
    pub(super) fn resolve(&self, reference: &Reference) -> Option<&LocalImageId> {
        let is_it = |image: &LocalImage| match &reference.digest {
            Some(digest) => image.digests.contains(digest),
            None => image.tags.contains(reference),
        };
        self.images.iter().find(|(_, image)| is_it(image)).map(|(id, _)| id)
    }

    /// The objects of an organization by what they were made for. Sorted once: a look through all of them for each of them
    /// would make a pass take the square of their number.
    pub fn index(&self, org: OrgId) -> Index<'_> {
        let mut index = Index(BTreeMap::new());
        for object in self.objects.iter().filter(|object| object.labels.org == org) {
            index.0.entry((object.labels.project, object.labels.container)).or_default().push(object);
        }
        index
    }
}

/// The objects of one organization, by container.
#[derive(Debug)]
pub struct Index<'a>(BTreeMap<(ProjectId, ContainerId), Vec<&'a Object>>);

impl<'a> Index<'a> {
    /// The objects that were made for a container.
    pub(super) fn of(&self, project: ProjectId, container: ContainerId) -> &[&'a Object] {
        self.0.get(&(project, container)).map_or(&[], Vec::as_slice)
    }

    /// What an engine says of a container whose `generation` is the latest: of its best object, if it has several.
    pub fn observation(&self, project: ProjectId, container: ContainerId, generation: u32) -> Observation {
        let objects = || self.of(project, container).iter();
        // An object of before, on its way out, is not the container; unless it is all there is.
        let latest = || objects().filter(|object| object.labels.generation >= generation);
        let best = latest().min_by_key(|object| rank(object)).or_else(|| objects().min_by_key(|object| rank(object)));
        let Some(best) = best else { return Observation::Absent };
        let generation = best.labels.generation;
        match best.state {
            ObjectState::Running => Observation::Runs { generation },
            ObjectState::Ended { run, exit_code, out_of_memory } => {
                Observation::Ended { generation, run, exit_code, out_of_memory }
            }
            // One that never ran, or never will again, has not ended: it is yet to be made into something.
            ObjectState::Created | ObjectState::Dead => Observation::Idle { generation },
            ObjectState::Paused | ObjectState::Changing => Observation::Between,
            ObjectState::Unknown => Observation::Unknown,
        }
    }
}

/// The best object to be a container is the one that is nearest to running; among equals, always the same one.
pub(super) fn rank(object: &Object) -> (u8, &ObjectId) {
    let nearness = match object.state {
        ObjectState::Unknown => 0,
        ObjectState::Running => 1,
        ObjectState::Paused => 2,
        ObjectState::Changing => 3,
        ObjectState::Ended { .. } => 4,
        ObjectState::Created => 5,
        ObjectState::Dead => 6,
    };
    (nearness, &object.id)
}
