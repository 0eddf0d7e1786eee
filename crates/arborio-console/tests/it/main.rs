//! Scripted sessions with the console, as somebody who types would have them.
//!
//! `cargo xtask repl --check` runs them. The tests share one session, since its start takes seconds; each uses names of
//! its own.

mod conversation;

use conversation::{end_session, with_session};

#[test]
fn s06_an_await_outside_of_any_function_runs_on_the_loop() {
    with_session(|session| {
        let said = session.say(
            "let begun = Instant::now(); sleep(Duration::from_millis(50)).await; \
             (arborio::is_running(), begun.elapsed() >= Duration::from_millis(50))",
        );
        assert_eq!(said, "(true, true)\n");
    });
}

#[test]
fn s06_variables_and_functions_stay_from_cell_to_cell() {
    with_session(|session| {
        assert_eq!(
            session.say("async fn double(n: u32) -> u32 { yield_now().await; 2 * n }"),
            ""
        );
        assert_eq!(session.say("let mut four = double(2).await;"), "");
        assert_eq!(session.say("four += 1;"), "");
        assert_eq!(session.say("four"), "5\n");
    });
}

#[test]
fn s06_a_cell_has_as_many_lines_as_it_takes() {
    with_session(|session| {
        session.say("let lines = {\n    let one = async { 1 };\n    one.await\n};");
        assert_eq!(session.say("lines"), "1\n");
    });
}

#[test]
fn s06_a_task_is_shown_and_awaited_in_a_later_cell() {
    with_session(|session| {
        assert_eq!(
            session.say("let seven = spawn(async { yield_now().await; 7 });"),
            ""
        );
        let shown = session.say("seven");
        assert!(shown.starts_with("Task {"), "{shown:?}");
        assert_eq!(session.say("seven.await"), "Ok(7)\n");
    });
}

#[test]
fn s06_futures_of_a_cell_need_not_be_send() {
    with_session(|session| {
        let said = session.say(
            "let shared = std::rc::Rc::new(std::cell::Cell::new(1)); let theirs = shared.clone(); \
             spawn_local(async move { theirs.set(2) }).await.unwrap(); shared.get()",
        );
        assert_eq!(said, "2\n");
    });
}

#[test]
fn s06_s18_an_async_function_that_is_called_without_await_does_not_run() {
    with_session(|session| {
        session.say("async fn main() { println!(\"it runs\") }");
        let said = session.say("main()");
        assert!(
            said.starts_with("<future main>: nothing has run."),
            "{said:?}"
        );
        assert!(!said.contains("it runs"), "{said:?}");
        assert_eq!(session.say("main().await"), "it runs\n");
    });
}

#[test]
fn s06_s08_an_await_in_a_function_that_is_not_async_is_an_error() {
    with_session(|session| {
        let said = session.say("fn plain() { async {}.await }");
        assert!(said.starts_with("error[E0728]"), "{said:?}");
    });
}

#[test]
fn s06_an_error_of_the_compiler_shows_the_line_and_the_session_goes_on() {
    with_session(|session| {
        let said = session.say("let n: u32 = unheard_of;");
        assert!(said.starts_with("error[E0425]"), "{said:?}");
        assert!(
            said.contains("  let n: u32 = unheard_of;\n               ^^^^^^^^^^"),
            "{said}"
        );
        assert_eq!(session.say("1 + 1"), "2\n");
    });
}

#[test]
fn s06_an_error_behind_a_question_mark_is_written_and_the_session_goes_on() {
    with_session(|session| {
        let said = session.say("async { \"x\".parse::<u32>() }.await?");
        assert_eq!(said, "invalid digit found in string\n");
        assert_eq!(session.say("async { \"3\".parse::<u32>() }.await?"), "3\n");
    });
}

#[test]
fn s06_a_panic_is_written_and_variables_stay() {
    with_session(|session| {
        session.say("let kept = String::from(\"kept\");");
        assert_eq!(
            session.say("yield_now().await; panic!(\"oh no\");"),
            "panicked: oh no\n"
        );
        assert_eq!(session.say("kept"), "\"kept\"\n");
    });
}

#[test]
fn s06_ctrl_c_cancels_what_runs_and_nothing_else() {
    with_session(|session| {
        session.say("let before = 1; let task = spawn(sleep(Duration::from_millis(1)));");
        session.type_cell(
            "println!(\"begun\"); \
             arborio::cancel::finally(std::future::pending::<()>(), async || println!(\"cleaned up\")).await",
        );
        session.hear("begun\n");
        session.press_ctrl_c();
        assert_eq!(session.answer(), "cleaned up\ncancelled\n");
        assert_eq!(session.say("task.await.is_ok() && before == 1"), "true\n");
    });
}

#[test]
fn s06_a_ctrl_c_at_the_prompt_changes_nothing() {
    with_session(|session| {
        session.press_ctrl_c();
        assert_eq!(
            session.say("sleep(Duration::from_millis(1)).await; \"here\""),
            "\"here\"\n"
        );
    });
}

#[test]
fn s06_a_cell_that_never_suspends_ends_with_the_third_ctrl_c_and_the_session_goes_on() {
    with_session(|session| {
        session.type_cell("println!(\"begun\"); loop { std::thread::park() }");
        session.hear("begun\n");
        session.press_ctrl_c_until("variables are lost");
        session.answer();
        assert_eq!(session.say("async { 4 }.await"), "4\n");
    });
}

#[test]
fn s06_tasks_go_on_while_the_prompt_waits() {
    with_session(|session| {
        session.say(
            "drop(spawn(async { sleep(Duration::from_millis(20)).await; eprintln!(\"ticked\") }));",
        );
        session.hear("ticked\n");
        assert_eq!(session.say("5"), "5\n");
    });
}

#[test]
fn s06_a_loop_that_a_cell_has_stopped_is_replaced() {
    with_session(|session| {
        session.say(
            "arborio::EventLoop::current().unwrap().stop(); std::future::pending::<()>().await",
        );
        assert_eq!(session.say("async { 6 }.await"), "6\n");
    });
}

#[test]
fn s06_the_end_of_the_session_stops_the_loop_and_lets_its_tasks_clean_up() {
    let (rest, ended_well) = end_session(|session| {
        session.say(
            "drop(spawn(arborio::cancel::finally(std::future::pending::<()>(), \
             async || eprintln!(\"closed\")))); yield_now().await;",
        );
    });
    assert_eq!(rest, "\nclosed\n");
    assert!(ended_well);
}
