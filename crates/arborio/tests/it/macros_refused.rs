//! What `#[arborio::main]` and `#[arborio::test]` refuse, and that they say what to write.
//!
//! Every refusal is one error: nothing else about the function may be complained of, and the rest
//! of the program is checked as if nothing were wrong.

use crate::compile_fail::compile_program;

/// `item` is refused for one reason that holds `because`, and the compiler points at `place`, a
/// part of `item`.
#[track_caller]
fn refused(item: &str, place: &str, because: &str) {
    // What the function uses must count as used, and `main` must be there.
    let source = format!(
        "#![deny(warnings)]
         use std::time::Duration;
         #[allow(unused)] async fn pause() {{ let _ = Duration::ZERO; }}
         {item}
         "
    );
    let said = compile_program(&source).unwrap_err();
    let errors = said.lines().filter(|line| line.starts_with("error"));
    let errors: Vec<_> = errors.filter(|line| !line.contains("aborting")).collect();
    assert!(
        errors.len() == 1 && errors[0].contains(because),
        "not the one expected error:\n{said}"
    );
    let column = underlined(&said).unwrap_or_else(|| panic!("nothing is underlined:\n{said}"));
    assert_eq!(column, place, "something else is underlined:\n{said}");
}

/// What the carets of the first error stand under, if it is within a line.
fn underlined(said: &str) -> Option<&str> {
    let lines: Vec<_> = said.lines().collect();
    let at = lines
        .iter()
        .position(|line| line.trim_start_matches([' ', '|', '-']).starts_with('^'))?;
    let (start, end) = (lines[at].find('^')?, lines[at].rfind('^')?);
    lines[at - 1].get(start..=end)
}

/// `item` is a whole program, and nothing is wrong with it.
#[track_caller]
fn taken(item: &str) {
    compile_program(&format!("#![deny(warnings)] {item}"))
        .unwrap_or_else(|said| panic!("{item} is refused:\n{said}"));
}

#[test]
fn a_program_that_is_right_is_taken() {
    taken("#[arborio::main] async fn main() {}");
    taken(
        "#[arborio::main(workers = 2)] pub async fn main() -> Result<(), String> { Err(String::new())? }",
    );
    taken("#[arborio::test] async fn test() {} fn main() {}");
    taken("#[arborio::test(workers = 6_3usize,)] async fn test() {} fn main() {}");
}

#[test]
fn other_attributes_stay() {
    taken("#[arborio::test] #[should_panic] async fn test() { panic!() } fn main() {}");
    taken("#[arborio::main] #[doc(hidden)] pub async fn main() {}");
}

#[test]
fn a_test_returns_what_a_test_may() {
    refused(
        "#[arborio::test]\nasync fn test() -> u8 { pause().await; 5 }\nfn main() {}",
        "u8",
        "u8: Termination",
    );
}

#[test]
fn a_function_that_is_not_async_is_refused() {
    refused(
        "#[arborio::main]\nfn main() { pause().await }",
        "fn",
        "`#[arborio::main]` runs an async function: write `async fn main() { .. }`",
    );
    refused(
        "#[arborio::test]\nfn test() { pause().await }\nfn main() {}",
        "fn",
        "`#[arborio::test]` runs an async function: write `async fn name() { .. }`",
    );
}

#[test]
fn a_function_that_is_more_than_async_is_refused() {
    refused(
        "#[arborio::main]\nasync unsafe fn main() { pause().await }",
        "unsafe",
        "`#[arborio::main]` runs a plain async function, without `unsafe`",
    );
    // The body is still that of an unsafe function: what it may do there is not complained of.
    refused(
        "unsafe fn dangerous() {}
         #[arborio::main]\nasync unsafe fn main() {
             #![allow(unsafe_op_in_unsafe_fn)]
             pause().await;
             dangerous()
         }",
        "unsafe",
        "`#[arborio::main]` runs a plain async function, without `unsafe`",
    );
    refused(
        "#[arborio::main]\nasync extern \"C\" fn main() { pause().await }",
        "extern",
        "`#[arborio::main]` runs a plain async function, without `extern`",
    );
}

#[test]
fn arguments_and_parameters_are_refused() {
    refused(
        "#[arborio::main]\nasync fn main(words: Vec<String>) { drop(words); pause().await }",
        "(words: Vec<String>)",
        "nobody passes arguments to a function with `#[arborio::main]`: write `async fn main() { .. }`",
    );
    refused(
        "#[arborio::main]\nasync fn main<T>() { pause().await }",
        "<",
        "`#[arborio::main]` cannot choose parameters",
    );
}

#[test]
fn what_is_no_function_is_refused() {
    refused(
        "#[arborio::main] struct Main { }\nfn main() { drop(Main {}); drop(pause()) }",
        "struct Main { }",
        "`#[arborio::main]` stands before an async function with a body: async fn main() { .. }",
    );
    refused(
        "trait Program {
             #[arborio::main] async fn main();
         }
         impl Program for () { async fn main() { pause().await } }
         fn main() { drop(<() as Program>::main()) }",
        "async fn main();",
        "`#[arborio::main]` stands before an async function with a body: async fn main() { .. }",
    );
}

#[test]
fn an_option_that_does_not_exist_is_refused_with_those_that_do() {
    let main =
        |option: &str| format!("#[arborio::main({option})]\nasync fn main() {{ pause().await }}");
    refused(
        &main("color = 3"),
        "color = 3",
        "`#[arborio::main]` has no option `color`: \
         there are `workers`, `workers = 4` and `crate = \"path\"`",
    );
    refused(
        &main("worker_threads = 2"),
        "worker_threads = 2",
        "no option `worker_threads`: write `workers = 4`",
    );
    refused(
        &main("flavor = \"multi_thread\""),
        "flavor = \"multi_thread\"",
        "no option `flavor`: write `workers` for a pool, and nothing for one thread",
    );
    refused(
        &main("clock = \"virtual\""),
        "clock = \"virtual\"",
        "no option `clock`: a program that needs it uses `EventLoop::builder()`",
    );
    refused(&main("2"), "2", "options look like `key = value`");
    refused(
        &main("workers 2"),
        "workers 2",
        "options look like `key = value`",
    );
    refused(
        "#[arborio::test(start_paused = true)]\nasync fn test() { pause().await }\nfn main() {}",
        "start_paused = true",
        "no option `start_paused`: write `clock = \"virtual\"`",
    );
    refused(
        "#[arborio::test(color = 3)]\nasync fn test() { pause().await }\nfn main() {}",
        "color = 3",
        "`#[arborio::test]` has no option `color`: there are \
         `clock = \"virtual\"`, `seed = 7`, `workers`, `workers = 4` and `crate = \"path\"`",
    );
}

#[test]
fn a_value_that_cannot_be_is_refused() {
    let test = |option: &str| {
        format!("#[arborio::test({option})]\nasync fn test() {{ pause().await }}\nfn main() {{}}")
    };
    for count in ["0", "64", "\"all\"", "64usize", "6_4"] {
        let option = format!("workers = {count}");
        refused(
            &test(&option),
            &option,
            "a pool has 1 to 63 workers: write `workers = 4`",
        );
    }
    refused(
        &test("workers ="),
        "workers =",
        "a value is missing: write `workers = 4`",
    );
    refused(
        &test("seed"),
        "seed",
        "a value is missing: write `seed = 7`",
    );
    refused(
        &test("clock = real"),
        "clock = real",
        "the value is a string",
    );
    refused(
        &test("clock = \"wall\""),
        "clock = \"wall\"",
        "a test has `clock = \"virtual\"`",
    );
    refused(
        &test("crate = \"a b\""),
        "crate = \"a b\"",
        "the string is a path",
    );
    refused(
        &test("crate = \"nowhere\""),
        "\"nowhere\"",
        "crate `nowhere`",
    );
    for path in ["1", "", "arborio::", "arborio::1"] {
        let option = format!("crate = \"{path}\"");
        refused(&test(&option), &option, "the string is a path");
    }
}

#[test]
fn options_that_do_not_go_together_are_refused() {
    let test = |option: &str| {
        format!("#[arborio::test({option})]\nasync fn test() {{ pause().await }}\nfn main() {{}}")
    };
    let because = "`seed` and `workers` do not go together: a pool runs on the real clock";
    refused(&test("seed = 3, workers = 2"), "workers = 2", because);
    refused(&test("workers, seed = 3"), "seed = 3", because);
    let because = "`clock` and `workers` do not go together";
    refused(
        &test("workers, clock = \"virtual\""),
        "clock = \"virtual\"",
        because,
    );
    refused(
        &test("workers, workers = 2"),
        "workers = 2",
        "`workers` is given twice",
    );
}

#[test]
fn a_second_test_attribute_is_refused() {
    refused(
        "#[arborio::test]\n#[test]\nasync fn test() { pause().await }\nfn main() {}",
        "#[test]",
        "the test would run twice: `#[arborio::test]` takes the place of `#[test]`",
    );
}

#[test]
fn errors_of_the_body_point_at_the_body() {
    refused(
        "#[arborio::main]\nasync fn main() -> Result<(), String> { pause().await; 5 }",
        "5",
        "mismatched types",
    );
    refused(
        "#[arborio::main]\nasync fn main() { pause().await; Err::<(), ()>(())?; }",
        "?",
        "the `?` operator can only be used",
    );
}
