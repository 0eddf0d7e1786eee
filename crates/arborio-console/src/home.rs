//! The folder of a session, in which evcxr builds: it stays, so that Arborio is built once.
//!
//! It lies beside the build of the console itself, `target/console/session-1`. A second
//! session at the same time gets a folder of its own: the number counts up.

use std::{
    env,
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

/// How many sessions may be open at once.
const FOLDERS: usize = 8;

/// A folder that no other session uses as long as this lives.
pub(crate) struct Home {
    folder: PathBuf,
    _lock: File,
}

impl Home {
    /// Takes the first folder that is free, and writes evcxr's options into it.
    pub(crate) fn open() -> Result<Self, String> {
        let program = env::current_exe().map_err(|error| error.to_string())?;
        let target = program.parent().and_then(Path::parent);
        let target = target.ok_or("the console does not lie in a target folder")?;
        for number in 1..=FOLDERS {
            let folder = target.join(format!("session-{number}"));
            let told = |error| format!("{}: {error}", folder.display());
            fs::create_dir_all(&folder).map_err(told)?;
            let lock = File::create(folder.join("lock")).map_err(told)?;
            match lock.try_lock() {
                Ok(()) => {
                    furnish(&folder).map_err(told)?;
                    return Ok(Self {
                        folder,
                        _lock: lock,
                    });
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(told(error)),
            }
        }
        Err(format!("there are {FOLDERS} sessions already"))
    }

    /// Where evcxr finds its options.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether Arborio has to be built first.
    pub(crate) fn is_new(&self) -> bool {
        !self.folder.join("target").exists()
    }
}

/// The options of evcxr, and the versions of the project, so that nothing else is fetched or built.
fn furnish(folder: &Path) -> std::io::Result<()> {
    let options = format!(
        "[evcxr]\n\
         tmpdir = {folder:?}\n\
         preserve_vars_on_panic = true\n\
         offline_mode = false\n\
         allow_static_linking = true\n\
         opt_level = \"0\"\n"
    );
    fs::write(folder.join("evcxr.toml"), options)?;
    let versions = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.lock");
    if versions.exists() {
        fs::copy(versions, folder.join("Cargo.lock"))?;
    }
    Ok(())
}
