//! How the value of a cell is shown.
//!
//! evcxr calls `.evcxr_display()` on the last expression of a cell, and compiles the cell once more
//! with `{:?}` if there is no such method. The two traits here have one, so that one compilation does.
//! Which of them is taken follows from the order in which the compiler looks: `&value` comes before
//! `&mut value`, so what can be debugged is, a task as well as a number, and of a future that cannot is told that
//! nothing has run.

use std::{
    any::type_name,
    fmt::Debug,
    io::{self, Write},
};

/// Values with a debug form.
///
/// # Examples
/// ```
/// use arborio_console_prelude::show::ShowValue as _;
/// 3.evcxr_display(); // writes what evcxr reads
/// ```
pub trait ShowValue {
    /// Hands the value to evcxr as text. Nothing for `()`.
    fn evcxr_display(&self);
}

impl<T: Debug + ?Sized> ShowValue for T {
    fn evcxr_display(&self) {
        let text = format!("{self:?}");
        if text != "()" {
            hand_over(&text);
        }
    }
}

/// Futures without one, as async functions return them.
///
/// # Examples
/// ```
/// use arborio_console_prelude::show::{ShowFuture as _, ShowValue as _};
/// async fn greet() {}
/// greet().evcxr_display(); // tells that nothing has run
/// ```
pub trait ShowFuture {
    /// Tells that the future has not run.
    fn evcxr_display(&mut self);
}

impl<F: Future + ?Sized> ShowFuture for F {
    fn evcxr_display(&mut self) {
        let name = short(type_name::<F>());
        hand_over(&format!(
            "<future {name}>: nothing has run. `.await` runs it, `spawn` starts it as a task."
        ));
    }
}

/// The name of an async function, of which the compiler knows the future as `ctx::name::{{closure}}`.
fn short(type_name: &str) -> &str {
    let name = type_name.strip_suffix("::{{closure}}").unwrap_or(type_name);
    let name = name.strip_prefix("ctx::").unwrap_or(name);
    if name.starts_with("run_user_code_") {
        "async block"
    } else {
        name
    }
}

/// What evcxr reads as the value of the cell, in its own words.
fn hand_over(text: &str) {
    let mut output = io::stdout().lock();
    // Without a reader there is no console any more.
    let _ = write!(
        output,
        "EVCXR_BEGIN_CONTENT text/plain\n{text}\nEVCXR_END_CONTENT\n"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s06_the_name_of_a_future_is_what_the_user_wrote() {
        assert_eq!(short("ctx::main::{{closure}}"), "main");
        assert_eq!(
            short("ctx::run_user_code_7::{{closure}}::{{closure}}"),
            "async block"
        );
        assert_eq!(
            short("core::future::pending::Pending<()>"),
            "core::future::pending::Pending<()>"
        );
    }
}
