//! Which types may be sent, shared, moved while pinned, and seen after a panic: for every
//! public type of the facade.
//!
//! `rows.rs` and `rows_sync.rs` name the types, `probe.rs` finds out what is true of each, and `sources.rs` which
//! names there are. What is found is compared with `docs/auto-traits.md`: a change there is a change of the interface.

mod probe;
mod rows;
mod rows_sync;
mod sources;

use std::{collections::BTreeSet, fs, path::Path};

/// Names that are no types.
const TRAITS: &[&str] = &[
    "cancel::ApplyTimeout",
    "combine::Join",
    "combine::Race",
    "concurrent::Kind",
    "group::IntoMember",
    "net::DatagramSocket",
    "net::ListeningSocket",
    "net::StreamSocket",
    "net::ToAddrs",
    "net::ToUnixAddr",
    "options::AroundPolls",
    "scope::ChildOutput",
    "scope::ScopeBody",
    "sync::flavour::Flavour",
    "sync::flavour::channel::Flavour",
    "sync::flavour::channel::Kind",
];

/// Modules that are not there without a feature.
const OPTIONAL: &[(&str, bool)] = &[
    ("hyper::", cfg!(feature = "hyper")),
    ("tokio::", cfg!(feature = "tokio")),
    ("tracing::", cfg!(feature = "tracing")),
    ("signal::", cfg!(feature = "signal")),
    ("stdio::", cfg!(feature = "stdio")),
];

fn is_left_out(name: &str) -> bool {
    let mut optional = OPTIONAL.iter();
    optional.any(|(module, is_there)| name.starts_with(module) && !is_there)
}

fn all_rows() -> Vec<probe::Row> {
    let mut rows = rows::rows();
    rows.extend(rows_sync::rows());
    rows
}

#[test]
fn f12_auto_traits_of_every_public_type() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/auto-traits.md");
    let page = fs::read_to_string(page).unwrap();
    let written: BTreeSet<&str> = page
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    let found: Vec<String> = all_rows().iter().map(ToString::to_string).collect();
    let wrong: Vec<_> = found
        .iter()
        .filter(|row| !written.contains(row.as_str()))
        .collect();
    let stale: Vec<_> = written
        .iter()
        .filter(|row| !is_left_out(&row[3..]) && !found.iter().any(|found| found == *row))
        .collect();
    assert!(
        wrong.is_empty() && stale.is_empty(),
        "docs/auto-traits.md says\n{stale:#?}\nand what is true is\n{wrong:#?}\nIf that is meant, the table is\n{}",
        found.join("\n")
    );
}

#[test]
fn f12_every_public_type_is_in_the_table() {
    let public: BTreeSet<String> = sources::public_types()
        .into_iter()
        .filter(|name| !is_left_out(name))
        .collect();
    assert!(public.len() > 200, "the sources were read: {public:#?}");
    let traits = TRAITS.iter().map(|name| (*name).to_owned());
    let named: BTreeSet<String> = all_rows()
        .iter()
        .map(probe::Row::path)
        .chain(traits)
        .collect();
    let missing: Vec<_> = public.difference(&named).collect();
    assert!(missing.is_empty(), "not in the table: {missing:#?}");
    let gone: Vec<_> = named.difference(&public).collect();
    assert!(gone.is_empty(), "not public any more: {gone:#?}");
}
