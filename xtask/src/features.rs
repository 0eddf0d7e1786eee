//! `cargo xtask features`: each feature of each published crate alone, none, and all.
//!
//! A feature that is switched off must leave neither an error nor something that nobody uses.

use crate::arguments::Arguments;
use crate::workspace::Workspace;
use crate::{Outcome, Verb, tool};

pub(crate) const VERB: Verb = Verb {
    name: "features",
    usage: "features",
    summary: "checks the crates with each feature alone, with none and with all",
    run,
};

/// An example or a test that cannot do without a feature says so in its manifest.
const TARGETS: [&str; 3] = ["--lib", "--tests", "--examples"];

fn run(arguments: Arguments) -> Outcome {
    arguments.nothing_left()?;
    if !tool::has_cargo("clippy") {
        return Ok(vec!["features (cargo clippy is not installed)".into()]);
    }
    for package in Workspace::load()?.publishable() {
        for choice in choices(&package.features) {
            let mut command = tool::cargo(["clippy", "--quiet", "-p", &package.name]);
            command
                .args(TARGETS)
                .args(choice)
                .args(["--", "-Dwarnings"]);
            tool::run(&mut command)?;
        }
    }
    Ok(Vec::new())
}

/// The words for cargo: nothing but the crate, each feature alone, and everything.
fn choices(features: &[String]) -> Vec<Vec<&str>> {
    if features.is_empty() {
        return Vec::new(); // `tidy` has looked at it
    }
    let alone = features
        .iter()
        .map(|name| vec!["--no-default-features", "--features", name]);
    [vec!["--no-default-features"], vec!["--all-features"]]
        .into_iter()
        .chain(alone)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_feature_is_tried_alone_and_so_are_none_and_all() {
        let workspace = Workspace::load().unwrap();
        let mut packages = workspace.publishable();
        let facade = packages.find(|package| package.name == "arborio").unwrap();
        let choices = choices(&facade.features);
        assert_eq!(choices.len(), facade.features.len() + 2);
        assert!(choices.contains(&vec!["--no-default-features"]));
        assert!(choices.contains(&vec!["--no-default-features", "--features", "tracing"]));
        assert!(!facade.features.contains(&"default".into()));
    }
}
