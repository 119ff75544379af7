//! Which options may and must stand beside each other.

use crate::table::{CHOICES, MANDATORY};

/// How each option was written, if it was.
pub struct SeenOptions([Option<String>; CHOICES.len()]);

impl SeenOptions {
    pub fn new() -> SeenOptions {
        SeenOptions([const { None }; CHOICES.len()])
    }

    /// Notes an option as it was written; an error if what is there excludes it.
    pub fn add(&mut self, index: usize, written: &str) -> Result<(), String> {
        let excludes = CHOICES[index].excludes;
        let is_excluded = |&other: &usize| self.0[other].is_some() && CHOICES[other].provides & excludes != 0;
        let excluded: Vec<_> = (0..CHOICES.len()).filter(is_excluded).collect();
        self.0[index] = Some(written.to_owned());
        if excluded.is_empty() {
            return Ok(());
        }
        let others: String =
            excluded.iter().flat_map(|&other| &self.0[other]).map(|seen| format!("\n    {seen} ")).collect();
        Err(format!("Option {written} conflicts with the following options:{others}"))
    }

    /// The end of the line: everything that options need must have been provided, and what is mandatory.
    pub fn complete(&self) -> Result<(), String> {
        let given = || CHOICES.iter().zip(&self.0).filter_map(|(choice, seen)| Some((choice, seen.as_ref()?)));
        let provided = given().fold(0, |all, (choice, _)| all | choice.provides);
        if let Some((choice, written)) = given().find(|(choice, _)| choice.needs != 0 && choice.needs & provided == 0) {
            let what = format!("Option {written} requires at least one of the following options:");
            return Err(what + &candidates(choice.needs));
        }
        match MANDATORY & !provided {
            0 => Ok(()),
            missing => Err("At least one of the following required:".to_owned() + &candidates(missing)),
        }
    }
}

/// The options that provide one of these, a line each.
fn candidates(wanted: u32) -> String {
    let mut text = String::new();
    for choice in CHOICES.iter().filter(|choice| choice.provides & wanted != 0) {
        text += &format!("\n    --{}", choice.long);
        if let Some(short) = choice.short {
            text += &format!("\n    -{short}");
        }
    }
    text
}
