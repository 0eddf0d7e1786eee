//! What `cargo metadata` says about the workspace, cut down to what the verbs ask.

use std::path::PathBuf;

use serde_json::Value;

use crate::tool;

/// The members of the workspace and where builds go.
pub(crate) struct Workspace {
    /// `target`, or what `CARGO_TARGET_DIR` says.
    pub(crate) target_dir: PathBuf,
    pub(crate) packages: Vec<Package>,
}

/// One crate of the workspace.
#[derive(Default)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// The folder of its `Cargo.toml`.
    pub(crate) folder: PathBuf,
    /// Whether `cargo publish` would take it.
    pub(crate) publishable: bool,
    pub(crate) description: Option<String>,
    pub(crate) license: Option<String>,
    /// The page that a registry shows.
    pub(crate) readme: Option<String>,
    /// What it can be found by.
    pub(crate) keywords: usize,
    pub(crate) categories: usize,
    /// The oldest compiler it promises to work with.
    pub(crate) rust_version: Option<String>,
    /// Whether docs.rs shows what is behind features, too.
    pub(crate) documents_all_features: bool,
    /// Names of its features, `default` and those of optional dependencies not included.
    pub(crate) features: Vec<String>,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) targets: Vec<Target>,
}

/// One line of a `[dependencies]` table of any kind.
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// `normal`, `dev` or `build`.
    pub(crate) kind: String,
    /// Whether it is a member of this workspace.
    pub(crate) local: bool,
}

/// A library, binary, test, bench or example.
pub(crate) struct Target {
    pub(crate) name: String,
    /// `lib`, `bin`, `test`, `bench`, `example`, ...
    pub(crate) kind: String,
    /// The file it starts in.
    pub(crate) source: PathBuf,
}

impl Workspace {
    /// Asks cargo.
    ///
    /// # Errors
    /// What cargo said, for instance about a broken manifest.
    pub(crate) fn load() -> Result<Self, String> {
        let mut command = tool::cargo(["metadata", "--no-deps", "--format-version", "1"]);
        let output = command
            .output()
            .map_err(|error| format!("cannot start cargo: {error}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("`cargo metadata` failed:\n{said}"));
        }
        let metadata: Value = serde_json::from_slice(&output.stdout)
            .map_err(|error| format!("`cargo metadata` printed no JSON: {error}"))?;
        Ok(Self::from_metadata(&metadata))
    }

    fn from_metadata(metadata: &Value) -> Self {
        let mut packages: Vec<Package> = list(&metadata["packages"]).map(package).collect();
        packages.sort_by(|one, other| one.name.cmp(&other.name));
        Self {
            target_dir: path(&metadata["target_directory"]),
            packages,
        }
    }

    /// The packages that `cargo publish` would take.
    pub(crate) fn publishable(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.publishable)
    }

    /// The packages that have a target of this kind and name.
    pub(crate) fn with_target<'a>(
        &'a self,
        kind: &'a str,
        name: &'a str,
    ) -> impl Iterator<Item = &'a Package> {
        let has = move |package: &&Package| {
            package
                .targets
                .iter()
                .any(|target| target.kind == kind && target.name == name)
        };
        self.packages.iter().filter(has)
    }
}

fn package(value: &Value) -> Package {
    let manifest = path(&value["manifest_path"]);
    Package {
        name: text(&value["name"]),
        version: text(&value["version"]),
        folder: manifest.parent().map(PathBuf::from).unwrap_or_default(),
        // `publish` is null where anything goes, and an empty list for `publish = false`.
        publishable: value["publish"]
            .as_array()
            .is_none_or(|registries| !registries.is_empty()),
        description: value["description"].as_str().map(String::from),
        license: value["license"].as_str().map(String::from),
        readme: value["readme"].as_str().map(String::from),
        keywords: list(&value["keywords"]).count(),
        categories: list(&value["categories"]).count(),
        rust_version: value["rust_version"].as_str().map(String::from),
        documents_all_features: value["metadata"]["docs"]["rs"]["all-features"] == true,
        features: features(&value["features"]),
        dependencies: list(&value["dependencies"]).map(dependency).collect(),
        targets: list(&value["targets"]).map(target).collect(),
    }
}

fn features(value: &Value) -> Vec<String> {
    let names = value.as_object().into_iter().flat_map(|table| table.keys());
    names.filter(|name| *name != "default").cloned().collect()
}

fn dependency(value: &Value) -> Dependency {
    Dependency {
        name: text(&value["name"]),
        kind: value["kind"].as_str().unwrap_or("normal").into(),
        local: value["path"].is_string(),
    }
}

fn target(value: &Value) -> Target {
    Target {
        name: text(&value["name"]),
        kind: text(&value["kind"][0]),
        source: path(&value["src_path"]),
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().into()
}

fn path(value: &Value) -> PathBuf {
    value.as_str().unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_workspace_is_read_with_its_members_and_their_kinds() {
        let workspace = Workspace::load().unwrap();
        let find = |name: &str| {
            workspace
                .packages
                .iter()
                .find(|package| package.name == name)
        };
        let xtask = find("xtask").unwrap();
        assert!(!xtask.publishable);
        assert!(xtask.targets.iter().any(|target| target.kind == "bin"));
        assert!(
            xtask
                .dependencies
                .iter()
                .any(|dep| dep.name == "mio" && !dep.local)
        );
        let base = find("arborio-base").unwrap();
        assert!(base.publishable);
        assert!(base.folder.ends_with("crates/arborio-base"));
        assert_eq!(workspace.with_target("bin", "xtask").count(), 1);
    }
}
