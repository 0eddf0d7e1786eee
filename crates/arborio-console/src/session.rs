//! A session: evcxr with Arborio as its prelude, and one cell after the other.

use std::{env, os::unix::process::CommandExt, process::Command, time::Duration};

use evcxr::{CommandContext, Error, EvalContext};

use crate::{complaint, home::Home, interrupt::Interrupts, printer::Printer};

/// The cell before the first: what the cells see, and an `.await`, with which evcxr puts this cell and all
/// that follow into `tokio::runtime::Runtime::block_on`, which is ours.
const SETUP: &str = r#"
:dep arborio = { package = "arborio-console-prelude", path = "HERE/prelude" }
:dep tokio = { package = "arborio-console-tokio", path = "HERE/tokio" }
use arborio::prelude::*;
use arborio::show::{ShowFuture as _, ShowValue as _};
async {}.await;
"#;

/// How long the child process may take to end. Its loop has a second for cleanups.
const LIMIT: Duration = Duration::from_secs(3);

/// A child process with the variables, and what goes to it and comes from it.
pub(crate) struct Session {
    context: CommandContext,
    printer: Printer,
    interrupts: Interrupts,
}

impl Session {
    /// Starts the child process and its loop.
    pub(crate) fn open(home: &Home, terminal: bool) -> Result<Self, String> {
        let patience = if home.is_new() {
            "(the first session builds Arborio, and reads the standard library: a minute or two)"
        } else {
            "(some seconds)"
        };
        println!("Loading {patience}");
        let (context, outputs) = begin(home).map_err(|error| error.to_string())?;
        let mut context = CommandContext::with_eval_context(context);
        let printer = Printer::start(outputs, terminal);
        let interrupts = Interrupts::listen(context.process_handle())
            .map_err(|error| format!("cannot listen to Ctrl-C: {error}"))?;
        set_up(&mut context)?;
        Ok(Self {
            context,
            printer,
            interrupts,
        })
    }

    /// Compiles and runs a cell, and prints what comes of it.
    pub(crate) fn run(&mut self, cell: &str) {
        let interrupts = self.interrupts.arm();
        let outcome = self.context.execute(cell);
        let interrupted = interrupts.disarm();
        self.printer.flush();
        match outcome {
            Ok(outputs) => {
                if let Some(text) = outputs.get("text/plain") {
                    println!("{text}");
                }
                // Where `:timing` asked for it.
                if let Some(took) = outputs.timing {
                    println!("({} ms)", took.as_millis());
                }
            }
            Err(Error::SubprocessTerminated(how)) => self.begin_again(&how),
            // Ctrl-C in a terminal goes to the compiler, too.
            Err(_) if interrupted => println!("interrupted before it ran"),
            Err(Error::CompilationErrors(errors)) => complaint::print(cell, &errors),
            Err(error) => println!("{error}"),
        }
    }

    /// The child process is gone, and evcxr has started a new one.
    fn begin_again(&mut self, how: &str) {
        println!("{how}\nThe process of the cells has ended: variables are lost, items are not.");
        if let Err(why) = set_up(&mut self.context) {
            println!("{why}");
        }
    }

    /// Ends the session: the loop is stopped, and its tasks may clean up.
    pub(crate) fn close(self) {
        self.interrupts.end_child(LIMIT);
        self.printer.flush();
        // Closes the pipe of its commands, which ends a child process in any case.
        drop(self.context);
    }
}

/// evcxr finds its options in the current folder; the cells run where the console was started.
fn begin(home: &Home) -> Result<(EvalContext, evcxr::EvalContextOutputs), Error> {
    let here = env::current_dir()?;
    let mut child = Command::new(env::current_exe()?);
    // A group of its own: Ctrl-C comes to the console, which knows whom it concerns.
    child.current_dir(&here).process_group(0);
    env::set_current_dir(home.folder())?;
    let begun = EvalContext::with_subprocess_command(child);
    env::set_current_dir(here)?;
    begun
}

fn set_up(context: &mut CommandContext) -> Result<(), String> {
    let setup = SETUP.replace("HERE", env!("CARGO_MANIFEST_DIR"));
    match context.execute(&setup) {
        Ok(_) => Ok(()),
        Err(Error::CompilationErrors(errors)) => {
            complaint::print(&setup, &errors);
            Err("the session cannot be set up".into())
        }
        Err(error) => Err(format!("the session cannot be set up: {error}")),
    }
}
