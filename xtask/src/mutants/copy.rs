//! A copy of the workspace, in which files are changed and built. The checkout stays as it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::tidy::tree;
use crate::tool;

/// What every build in a copy has: warnings are nobody's business, and debug information doubles the time.
const ENVIRONMENT: [(&str, &str); 3] = [
    ("RUSTFLAGS", "--cap-lints=allow"),
    ("CARGO_PROFILE_DEV_DEBUG", "0"),
    ("CARGO_INCREMENTAL", "0"),
];

pub(crate) struct Copy {
    /// The folder of its `Cargo.toml`.
    pub(crate) root: PathBuf,
    build: PathBuf,
}

impl Copy {
    /// One in which there is nothing yet.
    pub(crate) fn below(folder: &Path) -> Self {
        Self {
            root: folder.join("tree"),
            build: folder.join("build"),
        }
    }

    /// Copies the workspace into `folder`, in the place of a copy that is there. What that one has built is kept.
    pub(crate) fn make(folder: &Path) -> Result<Self, String> {
        let copy = Self::below(folder);
        if copy.root.exists() {
            fs::remove_dir_all(&copy.root).map_err(told(&copy.root))?;
        }
        for file in files()? {
            let from = tool::root().join(&file);
            // It may have been removed, but not yet for git.
            if from.is_file() {
                copy_file(&from, &copy.root.join(&file))?;
            }
        }
        Ok(copy)
    }

    /// Gives a file another text.
    pub(crate) fn write(&self, file: &str, text: &str) -> Result<(), String> {
        let path = self.root.join(file);
        fs::write(&path, text).map_err(told(&path))
    }

    /// The Rust files beside the one that a crate starts in, and below, as seen from the root.
    pub(crate) fn sources(&self, library: &str) -> Result<Vec<String>, String> {
        let folder = self.root.join(library);
        let folder = folder.parent().unwrap_or(&self.root);
        let files = tree::files(&[folder], ".rs")?;
        let seen = files
            .iter()
            .filter_map(|file| file.strip_prefix(&self.root).ok());
        Ok(seen.map(|file| file.display().to_string()).collect())
    }

    pub(crate) fn cargo(&self, words: &[&str]) -> Command {
        let mut command = tool::cargo(words);
        command.current_dir(&self.root).envs(ENVIRONMENT);
        command.env("CARGO_TARGET_DIR", &self.build);
        command.env_remove("CARGO_ENCODED_RUSTFLAGS");
        command
    }
}

/// The files of the workspace: those that git knows, or would add.
fn files() -> Result<Vec<String>, String> {
    let mut git = Command::new("git");
    git.current_dir(tool::root());
    git.args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]);
    let output = git.output().map_err(|error| format!("git: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("`git ls-files` failed:\n{said}"));
    }
    let names = String::from_utf8_lossy(&output.stdout);
    let names = names.split_terminator('\0').map(String::from);
    Ok(names.collect())
}

/// With its time, or cargo would build everything again.
fn copy_file(from: &Path, to: &Path) -> Result<(), String> {
    let copied = || {
        fs::create_dir_all(to.parent().unwrap_or(to))?;
        fs::copy(from, to)?;
        let time = fs::metadata(from)?.modified()?;
        fs::File::options().write(true).open(to)?.set_modified(time)
    };
    copied().map_err(told(from))
}

fn told(path: &Path) -> impl FnOnce(std::io::Error) -> String {
    move |error| format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_the_workspace_are_known() {
        let files = files().unwrap();
        for name in ["Cargo.toml", "xtask/src/mutants/copy.rs"] {
            assert!(files.iter().any(|file| file == name), "{name}");
        }
    }

    #[test]
    fn a_copy_has_the_age_of_what_was_copied() {
        let from = tool::root().join("Cargo.toml");
        let to = std::env::temp_dir().join(format!("arborio-copy-{}/a/b", std::process::id()));
        copy_file(&from, &to).unwrap();
        let time = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
        assert_eq!(time(&from), time(&to));
        fs::remove_dir_all(to.ancestors().nth(2).unwrap()).unwrap();
    }
}
