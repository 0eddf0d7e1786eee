//! `cargo xtask package`: makes the packages that `cargo publish` would send, and looks into them.
//!
//! A package holds the sources, the examples, a README and the licence. The tests stay here: they
//! read pages of the project, and some share files between crates.

use std::fs;
use std::path::Path;

use crate::arguments::Arguments;
use crate::workspace::{Package, Workspace};
use crate::{Outcome, Verb, table, tool};

pub(crate) const VERB: Verb = Verb {
    name: "package",
    usage: "package [--verify]",
    summary: "makes the package of each crate and looks into it (--verify: builds them from it)",
    run,
};

/// A source file is smaller. What is larger came in by accident.
const LARGEST_FILE: u64 = 100 * 1024;

/// A whole package, compressed, is smaller.
const LARGEST_PACKAGE: u64 = 300 * 1024;

/// What each package holds.
const NEEDED: [&str; 4] = ["Cargo.toml", "LICENSE", "README.md", "src/lib.rs"];

/// What cargo adds: it is not in the folder, or is as long as it is.
const MADE_BY_CARGO: [&str; 3] = [".cargo_vcs_info.json", "Cargo.lock", "Cargo.toml.orig"];

fn run(mut arguments: Arguments) -> Outcome {
    let verify = arguments.flag("--verify");
    arguments.nothing_left()?;
    let workspace = Workspace::load()?;
    let mut command = tool::cargo(["package", "--allow-dirty"]);
    if !verify {
        command.arg("--no-verify");
    }
    // All at once: each finds the others in what was just packaged, in no registry.
    command.args(
        workspace
            .publishable()
            .flat_map(|package| ["-p", &package.name]),
    );
    tool::run(&mut command)?;

    let (mut rows, mut problems) = (Vec::new(), Vec::new());
    for package in workspace.publishable() {
        let files = contents(package)?;
        problems.extend(wrong(&package.name, &files));
        let path = workspace.target_dir.join("package");
        let bytes = size(&path.join(format!("{}-{}.crate", package.name, package.version)))?;
        if bytes > LARGEST_PACKAGE {
            problems.push(format!("{} has {bytes} bytes", package.name));
        }
        rows.push(vec![
            package.name.clone(),
            files.len().to_string(),
            format!("{} KiB", bytes.div_ceil(1024)),
        ]);
    }
    println!(
        "{}",
        table::render(&["package", "files", "compressed"], rows)
    );
    match problems.is_empty() {
        true => Ok(Vec::new()),
        false => Err(problems.join("\n")),
    }
}

/// A file of a package.
struct Packaged {
    name: String,
    bytes: u64,
}

fn contents(package: &Package) -> Result<Vec<Packaged>, String> {
    let line = ["package", "--list", "--allow-dirty", "-p", &package.name];
    let output = tool::cargo(line).output();
    let output = output.map_err(|error| format!("cannot start cargo: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("`cargo {}` failed:\n{said}", line.join(" ")));
    }
    let list = String::from_utf8_lossy(&output.stdout).into_owned();
    list.lines()
        .map(|name| {
            let made = MADE_BY_CARGO.contains(&name);
            let bytes = if made {
                0
            } else {
                size(&package.folder.join(name))?
            };
            let name = name.into();
            Ok(Packaged { name, bytes })
        })
        .collect()
}

fn size(path: &Path) -> Result<u64, String> {
    let metadata = fs::metadata(path);
    let metadata = metadata.map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(metadata.len())
}

/// What is missing in a package, and what should not be there.
fn wrong(package: &str, files: &[Packaged]) -> Vec<String> {
    let has = |name: &&&str| files.iter().any(|file| file.name == **name);
    let missing = NEEDED.iter().filter(|name| !has(name));
    let missing = missing.map(|name| format!("the package of {package} has no {name}"));
    let large = files.iter().filter(|file| file.bytes > LARGEST_FILE);
    let large = large.map(|file| format!("{package}: {} has {} bytes", file.name, file.bytes));
    let folders = ["src/", "examples/"];
    let stray = files.iter().filter(|file| {
        file.name.contains('/') && !folders.iter().any(|folder| file.name.starts_with(folder))
    });
    let stray = stray.map(|file| format!("{package}: {} does not belong there", file.name));
    missing.chain(large).chain(stray).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, bytes: u64) -> Packaged {
        let name = name.into();
        Packaged { name, bytes }
    }

    #[test]
    fn a_package_without_a_licence_or_with_a_big_file_or_a_stray_one_is_refused() {
        let mut files = vec![
            file("Cargo.toml", 1),
            file("README.md", 1),
            file("src/lib.rs", 1),
            file("src/table.bin", LARGEST_FILE + 1),
            file("tests/it/main.rs", 1),
        ];
        let problems = wrong("one", &files);
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(problems[0].contains("LICENSE"), "{problems:?}");
        assert!(problems[1].contains("src/table.bin"), "{problems:?}");
        assert!(problems[2].contains("tests/it/main.rs"), "{problems:?}");
        files.truncate(3);
        files.push(file("LICENSE", 1));
        assert!(wrong("one", &files).is_empty());
    }

    #[test]
    fn what_is_published_holds_the_licence_and_the_readme_and_no_big_file() {
        let workspace = Workspace::load().unwrap();
        for package in workspace.publishable() {
            let files = contents(package).unwrap();
            assert_eq!(wrong(&package.name, &files), Vec::<String>::new());
        }
        assert!(workspace.publishable().count() >= 10);
    }
}
