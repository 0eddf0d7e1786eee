//! What may stand in the brackets of an attribute.

use proc_macro::{Literal, TokenStream, TokenTree};

use crate::{
    refusal::Refusal,
    tokens::{bracketed, code, is_sign},
};

/// As many workers as a pool can have: `arborio_executor::MAX_WORKERS`, of which a crate
/// that is compiled for the compiler knows nothing.
const MAX_WORKERS: usize = 63;

/// Which attribute it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// `#[arborio::main]`
    Main,
    /// `#[arborio::test]`
    Test,
}

impl Purpose {
    /// As errors name it.
    pub(crate) fn attribute(self) -> &'static str {
        match self {
            Self::Main => "`#[arborio::main]`",
            Self::Test => "`#[arborio::test]`",
        }
    }

    /// What to write.
    pub(crate) fn pattern(self) -> &'static str {
        match self {
            Self::Main => "async fn main() { .. }",
            Self::Test => "async fn name() { .. }",
        }
    }

    fn options(self) -> &'static str {
        match self {
            Self::Main => "`workers`, `workers = 4` and `crate = \"path\"`",
            Self::Test => {
                "`clock = \"virtual\"`, `seed = 7`, `workers`, `workers = 4` and `crate = \"path\"`"
            }
        }
    }
}

/// One option: `key`, or `key = value`.
#[derive(Clone)]
struct Given {
    key: String,
    /// All of it.
    tokens: Vec<TokenTree>,
    /// `None` without a sign of equality.
    value: Option<Vec<TokenTree>>,
}

impl Given {
    fn refuse(&self, text: impl Into<String>) -> Refusal {
        Refusal::of(self.tokens.clone(), text)
    }

    /// The value of an option that must have one.
    fn needed(&self, example: &str) -> Result<&[TokenTree], Refusal> {
        match self.value.as_deref() {
            None | Some([]) => Err(self.refuse(format!("a value is missing: write `{example}`"))),
            Some(value) => Ok(value),
        }
    }

    /// The text of a value that must be a string.
    fn text(&self, example: &str) -> Result<(String, TokenTree), Refusal> {
        if let [literal @ TokenTree::Literal(_)] = self.needed(example)?
            && let Some(text) = literal.to_string().strip_prefix('"')
            && let Some(text) = text.strip_suffix('"')
        {
            return Ok((text.to_owned(), literal.clone()));
        }
        Err(self.refuse(format!("the value is a string: write `{example}`")))
    }
}

/// How many workers run the function.
enum Workers {
    /// A loop and no pool.
    None,
    /// One for each processor.
    All,
    /// As many as the expression says.
    Count(TokenStream),
}

/// What the brackets say.
pub(crate) struct Options {
    /// Where Arborio is found.
    path: TokenStream,
    workers: Workers,
    virtual_clock: bool,
    seed: Option<TokenStream>,
}

impl Options {
    pub(crate) fn read(purpose: Purpose, tokens: TokenStream) -> Result<Self, Refusal> {
        let mut options = Self {
            path: code("::arborio"),
            workers: Workers::None,
            virtual_clock: false,
            seed: None,
        };
        let mut earlier: Vec<Given> = Vec::new();
        for given in split(tokens)? {
            options.take(purpose, &given)?;
            fits(&given, &earlier)?;
            earlier.push(given);
        }
        Ok(options)
    }

    fn take(&mut self, purpose: Purpose, given: &Given) -> Result<(), Refusal> {
        match (given.key.as_str(), purpose) {
            ("crate", _) => self.path = path(given)?,
            ("workers", _) => self.workers = workers(given)?,
            ("clock", Purpose::Test) => {
                let example = "clock = \"virtual\"";
                if given.text(example)?.0 != "virtual" {
                    let text =
                        "a test has `clock = \"virtual\"`, or, without the option, the real one";
                    return Err(given.refuse(text));
                }
                self.virtual_clock = true;
            }
            ("seed", Purpose::Test) => {
                self.seed = Some(given.needed("seed = 7")?.iter().cloned().collect());
            }
            _ => return Err(unknown(purpose, given)),
        }
        Ok(())
    }

    /// The expression that runs `future`.
    pub(crate) fn run(self, future: TokenStream) -> TokenStream {
        let mut out = self.path.clone();
        let with_value = |out: &mut TokenStream, method: &str, value: TokenStream| {
            out.extend(code(method));
            out.extend(bracketed(value));
        };
        match self.workers {
            Workers::None => out.extend(code("::EventLoop::builder()")),
            Workers::All => out.extend(code("::Pool::builder()")),
            Workers::Count(count) => {
                out.extend(code("::Pool::builder()"));
                with_value(&mut out, ".workers", count);
            }
        }
        if self.virtual_clock {
            let mut clock = self.path;
            clock.extend(code("::time::Clock::simulated()"));
            with_value(&mut out, ".clock", clock);
        }
        if let Some(seed) = self.seed {
            with_value(&mut out, ".seed", seed);
        }
        with_value(&mut out, ".run", future);
        out
    }
}

/// The options between the commas.
fn split(tokens: TokenStream) -> Result<Vec<Given>, Refusal> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut all = Vec::new();
    let mut parts = tokens.split(|token| is_sign(token, ',')).peekable();
    while let Some(part) = parts.next() {
        if part.is_empty() && parts.peek().is_none() {
            break; // nothing at all, or a comma at the end
        }
        all.push(option(part)?);
    }
    Ok(all)
}

fn option(part: &[TokenTree]) -> Result<Given, Refusal> {
    let refusal = || {
        Refusal::of(
            part.to_vec(),
            "options look like `key = value`, with commas between",
        )
    };
    let Some((TokenTree::Ident(key), value)) = part.split_first() else {
        return Err(refusal());
    };
    let value = match value {
        [] => None,
        [sign, value @ ..] if is_sign(sign, '=') => Some(value.to_vec()),
        _ => return Err(refusal()),
    };
    Ok(Given {
        key: key.to_string(),
        tokens: part.to_vec(),
        value,
    })
}

/// `crate = "path"`. Errors about what is in it point at the string.
fn path(given: &Given) -> Result<TokenStream, Refusal> {
    let example = "crate = \"path::of::arborio\"";
    let (text, literal) = given.text(example)?;
    let mut parts = text.strip_prefix("::").unwrap_or(&text).split("::");
    if !parts.all(is_name) {
        return Err(given.refuse(format!("the string is a path: write `{example}`")));
    }
    let tokens = code(&text);
    let located = tokens.into_iter().map(|mut token| {
        token.set_span(literal.span());
        token
    });
    Ok(located.collect())
}

/// Whether this can be a part of a path.
fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_alphanumeric() || c == '_';
    text.chars().all(fits) && !text.starts_with(|c: char| c.is_numeric()) && !text.is_empty()
}

/// `workers`, or `workers = count`.
fn workers(given: &Given) -> Result<Workers, Refusal> {
    if given.value.is_none() {
        return Ok(Workers::All);
    }
    let value = given.needed("workers = 4")?;
    if let [TokenTree::Literal(literal)] = value {
        let in_range = count(literal).is_some_and(|count| (1..=MAX_WORKERS).contains(&count));
        if !in_range {
            let text = format!(
                "a pool has 1 to {MAX_WORKERS} workers: write `workers = 4`, \
                 or `workers` for one on each processor"
            );
            return Err(given.refuse(text));
        }
    }
    Ok(Workers::Count(value.iter().cloned().collect()))
}

/// The value of a literal that is a decimal number.
fn count(literal: &Literal) -> Option<usize> {
    let text = literal.to_string().replace('_', "");
    text.strip_suffix("usize").unwrap_or(&text).parse().ok()
}

/// Whether `given` goes together with the `earlier` ones.
fn fits(given: &Given, earlier: &[Given]) -> Result<(), Refusal> {
    for other in earlier {
        let pair = [other.key.as_str(), given.key.as_str()];
        if pair[0] == pair[1] {
            return Err(given.refuse(format!("`{}` is given twice", given.key)));
        }
        let of_a_loop = pair.into_iter().find(|key| ["clock", "seed"].contains(key));
        if let Some(key) = of_a_loop
            && pair.contains(&"workers")
        {
            let text = format!(
                "`{key}` and `workers` do not go together: a pool runs on the real clock, \
                 in an order that no seed decides; leave one of them out"
            );
            return Err(given.refuse(text));
        }
    }
    Ok(())
}

fn unknown(purpose: Purpose, given: &Given) -> Refusal {
    let attribute = purpose.attribute();
    let hint = match (given.key.as_str(), purpose) {
        ("worker_threads", _) => "write `workers = 4`".to_owned(),
        ("flavor", _) => "write `workers` for a pool, and nothing for one thread".to_owned(),
        ("start_paused", Purpose::Test) => "write `clock = \"virtual\"`".to_owned(),
        ("clock" | "seed" | "start_paused", Purpose::Main) => {
            "a program that needs it uses `EventLoop::builder()`".to_owned()
        }
        _ => format!("there are {}", purpose.options()),
    };
    given.refuse(format!("{attribute} has no option `{}`: {hint}", given.key))
}
