//! Configuration trees on disk. A tree is written once, under a number of its own, and never changed; which one is live is
//! said by one symbolic link, which is replaced in one step.
//!
//! ```text
//! live -> trees/00000007      what nginx reads, now and at its next start
//! trees/00000006/             the one before, which nginx may still be reading
//! trees/00000007/nginx.conf   names its other files by their absolute paths, so that no two trees are ever mixed
//! ```
//!
//! Whatever a crash leaves is either the old link or the new one; the rest is removed at the next start.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, symlink},
    path::{Path, PathBuf},
};

use super::{config::NginxSettings, render::Tree, word::ConfigPath};

/// A new link, until it takes the place of the old one.
const NEXT_LINK: &str = "live.next";

/// Where the trees are, and which one is live.
#[derive(Debug)]
pub(super) struct Trees {
    folder: ConfigPath,
    live: ConfigPath,
    trees: ConfigPath,
    now: Option<(u64, Tree)>,
    next: u64,
}

impl Trees {
    /// Takes over what is there, and removes what a crash left.
    pub(super) fn open(settings: &NginxSettings) -> io::Result<Self> {
        let (folder, live, trees) = (settings.folder.clone(), settings.live(), settings.trees());
        for folder in [&folder, &trees, &settings.run()] {
            // Workers may run as somebody else, and put what they cannot keep in memory below here.
            fs::DirBuilder::new().recursive(true).mode(0o755).create(folder.as_path())?;
        }
        let link = fs::read_link(live.as_path()).ok().and_then(|target| number(&target));
        let now = match link.map(|number| (number, read(trees.join_number(number).as_path()))) {
            Some((number, Ok(tree))) => Some((number, tree)),
            Some((_, Err(error))) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Some((_, Err(_))) | None => None,
        };
        let newest = numbers(trees.as_path())?.into_iter().max().unwrap_or(0);
        let opened = Self { folder, live, trees, now, next: newest + 1 };
        opened.sweep(None)?;
        Ok(opened)
    }

    /// What is live.
    pub(super) fn now(&self) -> Option<&Tree> {
        self.now.as_ref().map(|(_, tree)| tree)
    }

    /// Where it is.
    pub(super) fn place_now(&self) -> Option<ConfigPath> {
        self.now.as_ref().map(|(number, _)| self.trees.join_number(*number))
    }

    /// Where the next one will be.
    pub(super) fn place_next(&self) -> ConfigPath {
        self.trees.join_number(self.next)
    }

    /// Writes a tree beside the live one, durably. Files that are as they were are shared.
    pub(super) fn write(&self, tree: &Tree) -> io::Result<()> {
        let place = self.place_next();
        fs::create_dir(place.as_path())?;
        fs::create_dir(place.as_path().join("sites"))?;
        for (name, text) in tree {
            let path = place.as_path().join(name);
            let same = self.now().is_some_and(|now| now.get(name) == Some(text));
            let shared =
                same && self.place_now().is_some_and(|now| fs::hard_link(now.as_path().join(name), &path).is_ok());
            if !shared {
                fs::write(&path, text)?;
                fs::File::open(&path)?.sync_all()?;
            }
        }
        for folder in [place.as_path(), &place.as_path().join("sites"), self.trees.as_path()] {
            fs::File::open(folder)?.sync_all()?;
        }
        Ok(())
    }

    /// Removes what was written and is not to be live.
    pub(super) fn discard(&self) -> io::Result<()> {
        fs::remove_dir_all(self.place_next().as_path())
    }

    /// Makes what was written live, in one step. The one before stays until the next time.
    pub(super) fn promote(&mut self, tree: Tree) -> io::Result<()> {
        let next = self.folder.join(NEXT_LINK);
        remove_if_there(next.as_path())?;
        symlink(self.place_next().as_path(), next.as_path())?;
        fs::rename(next.as_path(), self.live.as_path())?;
        fs::File::open(self.folder.as_path())?.sync_all()?;
        let before = self.now.replace((self.next, tree)).map(|(number, _)| number);
        self.next += 1;
        self.sweep(before)
    }

    /// Removes every tree but the live one and `before`.
    fn sweep(&self, before: Option<u64>) -> io::Result<()> {
        remove_if_there(self.folder.join(NEXT_LINK).as_path())?;
        let now = self.now.as_ref().map(|(number, _)| *number);
        for number in numbers(self.trees.as_path())? {
            if ![now, before].contains(&Some(number)) {
                fs::remove_dir_all(self.trees.join_number(number).as_path())?;
            }
        }
        Ok(())
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The number of a tree, by its path.
fn number(path: &Path) -> Option<u64> {
    path.file_name()?.to_str()?.parse().ok()
}

fn numbers(trees: &Path) -> io::Result<Vec<u64>> {
    let paths = fs::read_dir(trees)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<PathBuf>>>()?;
    Ok(paths.iter().filter_map(|path| number(path)).collect())
}

/// The files of a tree.
fn read(place: &Path) -> io::Result<Tree> {
    let mut tree = Tree::new();
    for (folder, prefix) in [(place.to_owned(), ""), (place.join("sites"), "sites/")] {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
                tree.insert(name, fs::read_to_string(entry.path())?);
            }
        }
    }
    Ok(tree)
}
