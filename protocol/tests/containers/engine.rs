//! An engine that is a model: slow always; while it is hostile it also fails, makes two of one, lets programs die, is touched by
//! somebody's hands, and lies about what it has.

use std::collections::BTreeMap;

use orrery_protocol::{
    container::{
        Run,
        plan::{Action, Labels, LocalImage, LocalImageId, Object, ObjectId, ObjectState, Seen},
    },
    image::Reference,
};

use crate::scene::{ORG, numbers};

#[derive(Debug, Clone)]
struct Made {
    labels: Labels,
    state: ObjectState,
    image: LocalImageId,
    /// What it is on its way to, and for how many rounds.
    becomes: Option<(u32, Option<ObjectState>)>,
}

pub(crate) struct Engine {
    objects: BTreeMap<ObjectId, Made>,
    images: BTreeMap<LocalImageId, LocalImage>,
    pulling: BTreeMap<Reference, u32>,
    made: u32,
    runs: u64,
    random: Box<dyn FnMut() -> u128>,
    pub(crate) hostile: bool,
}

impl Engine {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            objects: BTreeMap::new(),
            images: BTreeMap::new(),
            pulling: BTreeMap::new(),
            made: 0,
            runs: 0,
            random: Box::new(numbers(u128::from(seed))),
            hostile: true,
        }
    }

    /// One of `sides` sides of a die.
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        ((self.random)() % u128::from(sides)) as u64
    }

    fn ended(&mut self, exit_code: i64) -> ObjectState {
        self.runs += 1;
        ObjectState::Ended { run: Run(self.runs), exit_code, out_of_memory: false }
    }

    /// Something that is there, whoever made it.
    pub(crate) fn add(&mut self, labels: Labels, state: ObjectState, image: LocalImageId) -> ObjectId {
        self.made += 1;
        let id = ObjectId(format!("object-{}", self.made));
        self.objects.insert(id.clone(), Made { labels, state, image, becomes: None });
        id
    }

    /// Some state that an object may be found in.
    pub(crate) fn any_state(&mut self) -> ObjectState {
        match self.roll(5) {
            0 => ObjectState::Created,
            1 => ObjectState::Running,
            2 => ObjectState::Paused,
            3 => ObjectState::Dead,
            _ => self.ended(0),
        }
    }

    pub(crate) fn has_image(&mut self, reference: &Reference) -> LocalImageId {
        let id = LocalImageId(format!("image of {reference}"));
        let tags = [Reference { digest: None, ..reference.clone() }].into();
        let image = LocalImage { tags, digests: reference.digest.clone().into_iter().collect() };
        self.images.insert(id.clone(), image);
        id
    }

    pub(crate) fn perform(&mut self, action: &Action) {
        if self.hostile && self.roll(4) == 0 {
            return;
        }
        match action {
            Action::Pull(reference) => drop(self.pulling.insert(reference.clone(), 2)),
            Action::Create { project, container, generation, image } => {
                assert!(self.images.contains_key(image), "made from an image that is there");
                let labels = Labels { org: ORG, project: *project, container: *container, generation: *generation };
                for _ in 0..if self.hostile && self.roll(4) == 0 { 2 } else { 1 } {
                    self.add(labels, ObjectState::Created, image.clone());
                }
            }
            Action::Adopt { .. } => {}
            Action::Start(object) | Action::Resume(object) => self.turn(object, Some(ObjectState::Running)),
            Action::Stop { object, .. } => {
                let ended = self.ended(143);
                self.turn(object, Some(ended));
            }
            Action::Remove(object) => self.turn(object, None),
        }
    }

    fn turn(&mut self, id: &ObjectId, state: Option<ObjectState>) {
        let rounds = self.roll(3) as u32;
        let hostile = self.hostile;
        let Some(object) = self.objects.get_mut(id) else {
            assert!(hostile, "{id:?} is not there");
            return;
        };
        assert_eq!(object.labels.org, ORG, "what others have is not touched");
        let runs = matches!(object.state, ObjectState::Running | ObjectState::Paused);
        let fits = match state {
            // Engines do not remove what runs, nor start what is dead.
            None => !runs,
            Some(ObjectState::Running) => object.state != ObjectState::Dead,
            Some(_) => runs,
        };
        assert!(hostile || fits, "{state:?} is not for {:?}", object.state);
        if fits && object.becomes.is_none() {
            object.becomes = Some((rounds, state));
            object.state = ObjectState::Changing;
        }
    }

    /// Time passes in the engine.
    pub(crate) fn round(&mut self) {
        let arrived: Vec<Reference> =
            self.pulling.iter().filter(|(_, rounds)| **rounds == 0).map(|(reference, _)| reference.clone()).collect();
        for reference in arrived {
            self.pulling.remove(&reference);
            self.has_image(&reference);
        }
        self.pulling.values_mut().for_each(|rounds| *rounds -= 1);
        let ids: Vec<ObjectId> = self.objects.keys().cloned().collect();
        for id in ids {
            self.progress(&id);
            if self.hostile {
                self.mishap(&id);
            }
        }
    }

    fn progress(&mut self, id: &ObjectId) {
        let Some(object) = self.objects.get_mut(id) else { return };
        match &mut object.becomes {
            None => {}
            Some((0, Some(state))) => {
                object.state = *state;
                object.becomes = None;
            }
            Some((0, None)) => drop(self.objects.remove(id)),
            Some((rounds, _)) => *rounds -= 1,
        }
    }

    /// What happens to objects without our doing. Those on their way are left alone.
    fn mishap(&mut self, id: &ObjectId) {
        let (happens, ended) = (self.roll(20), self.ended(1));
        let Some(object) = self.objects.get_mut(id).filter(|object| object.becomes.is_none()) else { return };
        match (happens, object.state) {
            (0, ObjectState::Running) => object.state = ended,
            (1, ObjectState::Running) => object.state = ObjectState::Paused,
            (2, ObjectState::Ended { .. } | ObjectState::Created) => object.state = ObjectState::Running,
            (3, _) if object.labels.org == ORG => drop(self.objects.remove(id)),
            (4, ObjectState::Ended { .. }) if object.labels.org == ORG => object.state = ObjectState::Dead,
            _ => {}
        }
    }

    /// What it has, in truth.
    pub(crate) fn truth(&self) -> Seen {
        let object = |(id, made): (&ObjectId, &Made)| Object {
            id: id.clone(),
            labels: made.labels,
            state: made.state,
            image: made.image.clone(),
        };
        Seen {
            objects: self.objects.iter().map(object).collect(),
            images: self.images.clone(),
            pulling: self.pulling.keys().cloned().collect(),
        }
    }

    /// What it says it has.
    pub(crate) fn listed(&mut self) -> Seen {
        let mut seen = self.truth();
        if !self.hostile {
            return seen;
        }
        seen.objects.retain(|_| self.roll(10) > 0);
        for object in &mut seen.objects {
            match self.roll(12) {
                0 => object.state = ObjectState::Unknown,
                1 => object.state = self.any_state(),
                2 => object.image = LocalImageId("no such image".to_owned()),
                _ => {}
            }
        }
        seen
    }
}
