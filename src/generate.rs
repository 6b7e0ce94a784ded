//! The manual page and the shells' completions, from the definition of the command line.

use std::io::{self, Write};

use clap::CommandFactory as _;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::cli::Cli;

/// Writes the manual page, in roff: one page with a section for each command.
///
/// # Errors
/// Those of `out`.
pub fn man(out: &mut dyn Write) -> io::Result<()> {
    let mut command = Cli::command();
    // The commands' names and usage get the program's name in front.
    command.build();
    let page = Man::new(command.clone());
    let mut roff = Vec::new();
    page.render_title(&mut roff)?;
    page.render_name_section(&mut roff)?;
    page.render_synopsis_section(&mut roff)?;
    page.render_description_section(&mut roff)?;
    for command in command.get_subcommands() {
        man_of_command(command, &mut roff)?;
    }
    page.render_extra_section(&mut roff)?;
    page.render_version_section(&mut roff)?;
    let roff = String::from_utf8_lossy(&roff);
    // clap_mangen puts its apostrophe macro before each section; once is enough.
    let macros = ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n";
    let body = roff
        .replace(macros, "")
        .replace(".SS EXTRA\n", ".SS EXAMPLES\n")
        .replace(".SH EXTRA\n", ".SH \"EXIT STATUS\"\n");
    write!(out, "{macros}{body}")
}

/// Writes the completions for `shell`.
pub fn completions(shell: Shell, out: &mut dyn Write) {
    clap_complete::generate(shell, &mut Cli::command(), "hellotap", out);
}

fn man_of_command(command: &clap::Command, out: &mut dyn Write) -> io::Result<()> {
    if command.get_name() == "help" {
        return Ok(());
    }
    if command.has_subcommands() {
        return command
            .get_subcommands()
            .try_for_each(|subcommand| man_of_command(subcommand, out));
    }
    let page = Man::new(command.clone());
    let name = command
        .get_bin_name()
        .unwrap_or_else(|| command.get_name())
        .to_uppercase();
    let mut section = Vec::new();
    page.render_synopsis_section(&mut section)?;
    page.render_description_section(&mut section)?;
    page.render_options_section(&mut section)?;
    if command.get_after_help().is_some() || command.get_after_long_help().is_some() {
        page.render_extra_section(&mut section)?;
    }
    // Inside of the one page, a page's sections are subsections.
    let section = String::from_utf8_lossy(&section).replace("\n.SH ", "\n.SS ");
    write!(out, ".SH \"{name}\"\n{section}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_has_every_flag() {
        let mut out = Vec::new();
        man(&mut out).expect("memory");
        let text = String::from_utf8(out).expect("UTF-8").replace("\\-", "-");
        let command = Cli::command();
        for name in ["audit", "live"] {
            let command = command.find_subcommand(name).expect("it is there");
            for flag in command.get_arguments().filter_map(|a| a.get_long()) {
                assert!(text.contains(&format!("--{flag}")), "--{flag}");
            }
        }
        assert_eq!(text.matches(".TH ").count(), 1);
        assert!(!text.contains("EXTRA"));
    }
}
