//! The words after a verb: known flags are taken out first, what is left are plain words.

use std::collections::VecDeque;

/// The not yet understood rest of the command line of one verb.
pub(crate) struct Arguments {
    /// What stands before `--`.
    words: VecDeque<String>,
    /// What stands after `--`, handed on as it is to the program behind the verb.
    handed_on: Vec<String>,
    /// How the verb is called, for the error text.
    usage: &'static str,
}

impl Arguments {
    pub(crate) fn new(words: impl IntoIterator<Item = String>, usage: &'static str) -> Self {
        let mut all = words.into_iter();
        let words = all.by_ref().take_while(|word| word != "--").collect();
        Self {
            words,
            handed_on: all.collect(),
            usage,
        }
    }

    /// Takes out `name`, and says whether it was there.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
        let before = self.words.len();
        self.words.retain(|word| word != name);
        self.words.len() < before
    }

    /// Takes out every `name VALUE` and `name=VALUE`.
    pub(crate) fn values(&mut self, name: &str) -> Result<Vec<String>, String> {
        let mut values = Vec::new();
        let mut rest = VecDeque::new();
        while let Some(word) = self.words.pop_front() {
            if word == name {
                let missing = || format!("{name} needs a value; usage: {}", self.usage);
                values.push(self.words.pop_front().ok_or_else(missing)?);
            } else if let Some(value) = word.strip_prefix(name).and_then(|w| w.strip_prefix('=')) {
                values.push(value.into());
            } else {
                rest.push_back(word);
            }
        }
        self.words = rest;
        Ok(values)
    }

    /// Takes what stands after `--`.
    pub(crate) fn handed_on(&mut self) -> Vec<String> {
        std::mem::take(&mut self.handed_on)
    }

    /// The plain words that are left.
    ///
    /// # Errors
    /// A flag nobody took, or words after `--` that nobody took.
    pub(crate) fn words(self) -> Result<Vec<String>, String> {
        if let Some(flag) = self.words.iter().find(|word| word.starts_with('-')) {
            return Err(format!("unknown flag {flag}; usage: {}", self.usage));
        }
        if !self.handed_on.is_empty() {
            return Err(format!("nothing may follow `--`; usage: {}", self.usage));
        }
        Ok(self.words.into())
    }

    /// Insists that nothing is left.
    ///
    /// # Errors
    /// The first word nobody took.
    pub(crate) fn nothing_left(self) -> Result<(), String> {
        let usage = self.usage;
        match self.words()?.first() {
            None => Ok(()),
            Some(word) => Err(format!("unexpected word {word}; usage: {usage}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Arguments {
        Arguments::new(line.split_whitespace().map(String::from), "verb [-p NAME]")
    }

    #[test]
    fn flags_values_words_and_the_rest_are_told_apart() {
        let mut arguments = of("--quick -p one wheel --package=two -- --nocapture -x");
        assert!(arguments.flag("--quick"));
        assert!(!arguments.flag("--quick"));
        assert_eq!(arguments.values("-p").unwrap(), ["one"]);
        assert_eq!(arguments.values("--package").unwrap(), ["two"]);
        assert_eq!(arguments.handed_on(), ["--nocapture", "-x"]);
        assert_eq!(arguments.words().unwrap(), ["wheel"]);
    }

    #[test]
    fn what_nobody_took_is_an_error_that_shows_the_usage() {
        assert!(of("--slow").words().unwrap_err().contains("verb [-p NAME]"));
        assert!(of("-p").values("-p").unwrap_err().contains("needs a value"));
        assert!(of("word").nothing_left().unwrap_err().contains("word"));
        assert!(of("-- x").words().unwrap_err().contains("--"));
    }
}
