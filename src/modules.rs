//! Modules of images: those that are built in, and those of the administrator. A module is a folder with an `image.toml`; a
//! new one under `images/` is built in, one in the configured folder is there from the next start.

use std::{fs, path::Path};

use anyhow::{Context, anyhow, ensure};
use orrery_protocol::image::{ContainerImage, ImageRegistry, ImageUri};
use rust_embed::RustEmbed;

/// What each module has.
const DEFINITION: &str = "image.toml";
/// A definition is a page of text.
const DEFINITION_BYTES_MAX: u64 = 64 << 10;

#[derive(RustEmbed)]
#[folder = "images/"]
#[include = "*/image.toml"]
struct BuiltIn;

/// All images that members can choose from; those that they bring themselves must be in one of the `allowed` places.
pub(crate) fn registry(folder: Option<&Path>, allowed: &[String]) -> anyhow::Result<ImageRegistry> {
    for place in allowed {
        let known = place == "*" || place.parse::<ImageUri>().is_ok();
        ensure!(known, "containers.images_allowed: {place:?} is neither * nor a place of images");
    }
    let mut registry = ImageRegistry::new(allowed.to_vec());
    for path in BuiltIn::iter() {
        let file = BuiltIn::get(&path).ok_or_else(|| anyhow!("images/{path} is gone"))?;
        let text = String::from_utf8(file.data.into_owned()).with_context(|| format!("images/{path}"))?;
        register(&mut registry, &text).with_context(|| format!("images/{path}"))?;
    }
    if let Some(folder) = folder {
        own(&mut registry, folder)?;
    }
    Ok(registry)
}

fn own(registry: &mut ImageRegistry, folder: &Path) -> anyhow::Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("containers.images: {}", folder.display()))?;
    let mut modules = entries.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<Vec<_>>>()?;
    // By name, so that the first of two with one id is the same on every start.
    modules.sort();
    for path in modules.iter().map(|module| module.join(DEFINITION)).filter(|path| path.is_file()) {
        let text = read(&path).with_context(|| path.display().to_string())?;
        register(registry, &text).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<String> {
    ensure!(fs::metadata(path)?.len() <= DEFINITION_BYTES_MAX, "longer than {DEFINITION_BYTES_MAX} bytes");
    Ok(fs::read_to_string(path)?)
}

fn register(registry: &mut ImageRegistry, text: &str) -> anyhow::Result<()> {
    Ok(registry.register(ContainerImage::from_toml(text)?)?)
}

#[cfg(test)]
mod tests {
    use orrery_protocol::image::ImageFilter;

    use super::*;

    const NOTES: &str = "id = \"team:notes\"\nname = \"Notes\"\nuri = \"team/notes\"\ncategory = \"editor\"\n";

    fn module(folder: &Path, name: &str, text: &str) {
        fs::create_dir(folder.join(name)).unwrap();
        fs::write(folder.join(name).join(DEFINITION), text).unwrap();
    }

    fn ids(registry: &ImageRegistry) -> Vec<String> {
        registry.list(ImageFilter::default()).map(|image| image.id.to_string()).collect()
    }

    #[test]
    fn every_folder_with_a_definition_is_built_in() {
        let modules = fs::read_dir("images").unwrap().filter(|entry| {
            let path = entry.as_ref().unwrap().path();
            path.join(DEFINITION).is_file()
        });
        let registry = registry(None, &[]).unwrap();
        assert_eq!(ids(&registry).len(), modules.count());
        let promised = [
            "generic",
            "jupyter:minimal",
            "jupyter:pytorch",
            "n8n:latest",
            "pgadmin:latest",
            "ubuntu:terminal",
            "vscode:latest",
        ];
        for id in promised {
            assert!(ids(&registry).contains(&id.to_owned()), "{id}");
        }
    }

    #[test]
    fn a_module_of_the_administrator_appears() {
        let folder = tempfile::tempdir().unwrap();
        module(folder.path(), "notes", NOTES);
        fs::write(folder.path().join("README"), "no module").unwrap();
        fs::create_dir(folder.path().join("no-module")).unwrap();
        assert!(ids(&registry(Some(folder.path()), &[]).unwrap()).contains(&"team:notes".to_owned()));
    }

    #[test]
    fn a_bad_definition_is_named_with_its_field() {
        let folder = tempfile::tempdir().unwrap();
        module(folder.path(), "bad", &NOTES.replace("editor", "toys"));
        let error = format!("{:#}", registry(Some(folder.path()), &[]).unwrap_err());
        assert!(error.contains("bad/image.toml") && error.contains("category"), "{error}");
    }

    #[test]
    fn what_is_built_in_cannot_be_shadowed() {
        let folder = tempfile::tempdir().unwrap();
        module(folder.path(), "mine", &NOTES.replace("team:notes", "jupyter:minimal"));
        let error = format!("{:#}", registry(Some(folder.path()), &[]).unwrap_err());
        assert!(error.contains("mine/image.toml") && error.contains("registered already"), "{error}");
    }

    #[test]
    fn places_of_images_are_checked() {
        assert!(registry(None, &["*".to_owned()]).is_ok());
        let error = registry(None, &["not a place".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("images_allowed"), "{error}");
    }
}
