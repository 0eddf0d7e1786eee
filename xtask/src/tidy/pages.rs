//! The pages: README.md and docs/*.md.

use std::fs;
use std::path::{Path, PathBuf};

use crate::tidy::{Finding, tree};
use crate::tool;

/// More than this nobody reads at a first visit.
const README_LINES: usize = 200;

/// The README stays short.
pub(super) fn readme_length() -> Result<Finding, String> {
    let count = read(&tool::root().join("README.md"))?.lines().count();
    let long = count > README_LINES;
    let text = format!("README.md has {count} lines, more than {README_LINES}");
    Ok(Finding::problems(
        long.then_some(text).into_iter().collect(),
    ))
}

/// Relative links lead to files that exist, and to headings that exist in them.
pub(super) fn links() -> Result<Finding, String> {
    let mut pages = tree::files(&["docs"], ".md")?;
    pages.push(tool::root().join("README.md"));
    let mut problems = Vec::new();
    for page in pages {
        for (line, link) in relative_links(&read(&page)?) {
            if let Err(why) = resolve(&page, &link) {
                problems.push(format!("{}:{line}: {link}: {why}", tree::shown(&page)));
            }
        }
    }
    Ok(Finding::problems(problems))
}

/// Follows one link of `page`.
fn resolve(page: &Path, link: &str) -> Result<(), String> {
    let (file, heading) = link.split_once('#').unwrap_or((link, ""));
    let target: PathBuf = match file {
        "" => page.into(),
        file => page.parent().unwrap_or(Path::new("")).join(file),
    };
    if !target.exists() {
        return Err("there is no such file".into());
    }
    let is_page = target.extension().is_some_and(|ending| ending == "md");
    if heading.is_empty() || !is_page || headings(&read(&target)?).contains(&heading.into()) {
        return Ok(());
    }
    Err("there is no such heading".into())
}

/// The links of a page that lead into the project, with their line numbers from 1.
fn relative_links(text: &str) -> Vec<(usize, String)> {
    let mut links = Vec::new();
    for (number, line) in prose(text) {
        let inline = line
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next());
        let defined = line
            .strip_prefix('[')
            .and_then(|rest| Some(rest.split_once("]: ")?.1));
        let targets = inline
            .chain(defined)
            .filter_map(|target| target.split_whitespace().next());
        let relative =
            targets.filter(|target| !target.contains("://") && !target.starts_with("mailto:"));
        links.extend(relative.map(|target| (number, target.trim_matches(['<', '>']).to_string())));
    }
    links
}

/// The lines outside of code: fenced blocks are left out, and so is what stands in backquotes.
fn prose(text: &str) -> Vec<(usize, String)> {
    let mut fenced = false;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            // Every second piece lies between two backquotes.
            let outside: Vec<&str> = line.split('`').step_by(2).collect();
            lines.push((index + 1, outside.join("`")));
        }
    }
    lines
}

/// The names by which the headings of a page can be linked to.
fn headings(text: &str) -> Vec<String> {
    let mut fenced = false;
    let mut names = Vec::new();
    for line in text.lines() {
        fenced ^= line.trim_start().starts_with("```");
        if !fenced && line.starts_with('#') {
            names.push(anchor(line.trim_start_matches('#')));
        }
    }
    names
}

/// A heading as it stands in a link: lower case, spaces as dashes, other signs left out.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept = kept
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", tree::shown(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_into_the_project_are_found_and_others_left_alone() {
        let page = "\
See [one](docs/one.md) and [two](two.md#part \"title\"), `[no](no.md)`.
[three]: <three.md>
```
[no](no.md)
```
[out](https://example.org) [mail](mailto:a@b)
";
        let links = relative_links(page);
        let expected = [(1, "docs/one.md"), (1, "two.md#part"), (2, "three.md")];
        assert_eq!(links, expected.map(|(line, link)| (line, link.to_string())));
    }

    #[test]
    fn headings_become_anchors() {
        let page = "# The design\n```\n# no heading\n```\n## 2. `Send`, and all that\n";
        assert_eq!(headings(page), ["the-design", "2-send-and-all-that"]);
    }

    #[test]
    fn a_link_to_nowhere_is_refused() {
        let page = tool::root().join("README.md");
        assert_eq!(resolve(&page, "Cargo.toml"), Ok(()));
        assert!(resolve(&page, "docs/no-such-page.md").is_err());
        assert!(resolve(&page, "#no-such-heading").is_err());
    }
}
