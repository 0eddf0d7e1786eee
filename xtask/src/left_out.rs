//! Tests that cannot run under a tool: left out by name, each with its reason, and told as skipped.

use crate::Skipped;

/// The crate, a part of the names of the tests, and the reason.
pub(crate) type LeftOut = (&'static str, &'static str, &'static str);

/// The words by which a test binary of these crates leaves its tests out.
pub(crate) fn skips<'a>(
    list: &'a [LeftOut],
    crates: &'a [String],
) -> impl Iterator<Item = &'a str> {
    of(list, crates).flat_map(|(_, name, _)| ["--skip", *name])
}

/// What a tool has left out of these crates.
pub(crate) fn told(tool: &str, list: &[LeftOut], crates: &[String]) -> Skipped {
    of(list, crates)
        .map(|(package, name, why)| format!("{tool} {package} {name} ({why})"))
        .collect()
}

/// What is about these crates.
pub(crate) fn of<'a>(
    list: &'a [LeftOut],
    crates: &'a [String],
) -> impl Iterator<Item = &'a LeftOut> {
    list.iter()
        .filter(|(package, ..)| crates.iter().any(|name| name == package))
}

/// Every name is one that the sources of its crate still have, or the list would hide nothing and nobody would notice.
#[cfg(test)]
pub(crate) fn check(list: &[LeftOut]) {
    use crate::tidy::tree;
    for (package, name, why) in list {
        assert!(!why.is_empty(), "{name}");
        let folder = format!("crates/{package}");
        let sources = tree::files(&[&folder], ".rs").unwrap();
        let texts = sources
            .iter()
            .map(|path| std::fs::read_to_string(path).unwrap());
        let texts: Vec<String> = texts.collect();
        let exists = |part: &str| {
            let is_there = |text: &String| text.contains(part);
            texts.iter().any(is_there)
                || sources
                    .iter()
                    .any(|path| path.ends_with(format!("{part}.rs")))
        };
        for part in name.split("::") {
            assert!(exists(part), "{package} has no `{part}`");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &[LeftOut] = &[("one", "first", "slow"), ("two", "second", "odd")];

    #[test]
    fn what_is_left_out_of_a_crate_is_not_run_and_told_with_its_reason() {
        let crates = ["two".to_owned()];
        assert_eq!(
            skips(LIST, &crates).collect::<Vec<_>>(),
            ["--skip", "second"]
        );
        assert_eq!(told("tool", LIST, &crates), ["tool two second (odd)"]);
        assert!(told("tool", LIST, &["three".into()]).is_empty());
    }
}
