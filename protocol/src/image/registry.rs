//! The images of an installation: what modules registered, and which others the administrator allows.

use std::collections::BTreeMap;

use super::{Category, ContainerImage, ContainerType, ImageChoice, ImageId, Reference};

/// Two definitions under one id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("image {0} is registered already")]
pub struct AlreadyRegistered(pub ImageId);

/// Why a choice cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// No definition has that id.
    #[error("is not an image of this installation")]
    Unknown,
    /// The definition leaves the image open, and none was named.
    #[error("leaves the image open: name one after a slash")]
    Open,
    /// The definition names its image itself.
    #[error("names its image itself: nothing may follow it")]
    Closed,
    /// The administrator does not allow it.
    #[error("names an image that is not allowed here")]
    NotAllowed,
}

/// Which images to list; what is not set does not restrict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ImageFilter {
    /// Only those of this category.
    pub category: Option<Category>,
    /// Only those with this kind of program.
    pub container_type: Option<ContainerType>,
}

/// What can be had.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageRegistry {
    images: BTreeMap<ImageId, ContainerImage>,
    /// Places of images that members may bring, and everything below them.
    allowed: Vec<String>,
}

impl ImageRegistry {
    /// No images; those that members bring must be at one of the `allowed` places or below it. `*` allows all.
    pub fn new(allowed: Vec<String>) -> Self {
        Self { images: BTreeMap::new(), allowed }
    }

    /// Adds a definition.
    ///
    /// # Errors
    /// There is one with its id: what is built in cannot be shadowed.
    pub fn register(&mut self, image: ContainerImage) -> Result<(), AlreadyRegistered> {
        if self.images.contains_key(&image.id) {
            return Err(AlreadyRegistered(image.id));
        }
        self.images.insert(image.id.clone(), image);
        Ok(())
    }

    /// The definition with an id.
    pub fn get(&self, id: &ImageId) -> Option<&ContainerImage> {
        self.images.get(id)
    }

    /// The definitions that a filter lets through, by id.
    pub fn list(&self, filter: ImageFilter) -> impl Iterator<Item = &ContainerImage> {
        self.images.values().filter(move |image| {
            filter.category.is_none_or(|category| category == image.category)
                && filter.container_type.is_none_or(|kind| kind == image.container_type)
        })
    }

    /// What a choice comes to.
    ///
    /// # Errors
    /// It cannot be had.
    pub fn resolve(&self, choice: &ImageChoice) -> Result<(&ContainerImage, Reference), Unavailable> {
        let image = self.get(&choice.image).ok_or(Unavailable::Unknown)?;
        let reference = match (image.reference(), &choice.reference) {
            (Some(own), None) => own,
            (Some(_), Some(_)) => return Err(Unavailable::Closed),
            (None, None) => return Err(Unavailable::Open),
            (None, Some(brought)) if self.allows(brought) => brought.clone(),
            (None, Some(_)) => return Err(Unavailable::NotAllowed),
        };
        Ok((image, reference))
    }

    fn allows(&self, reference: &Reference) -> bool {
        let uri = reference.uri.as_str();
        let below = |place: &str| uri.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        self.allowed.iter().any(|place| place == "*" || below(place.trim_end_matches('/')))
    }
}
