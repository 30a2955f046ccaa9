//! What people type: names, e-mail addresses, passwords. Owns what is accepted and how a refusal names the field.

use std::collections::BTreeMap;

/// Longest e-mail address, in bytes (RFC 5321, 4.5.3.1.3 less the brackets).
pub const EMAIL_BYTES_MAX: usize = 254;

/// Shortest password, in characters.
pub const PASSWORD_CHARS_MIN: usize = 8;

/// Longest password, in characters.
pub const PASSWORD_CHARS_MAX: usize = 256;

/// Longest name of a person, an organization, a project or a key, in characters.
pub const NAME_CHARS_MAX: usize = 80;

/// Input that is refused: what is wrong, by field.
#[derive(Debug, Clone, Default, PartialEq, Eq, thiserror::Error)]
#[error("bad input: {}", self.fields.iter().map(|(field, problem)| format!("{field} {problem}")).collect::<Vec<_>>().join("; "))]
pub struct InvalidInput {
    /// Each bad field, and what it should be, such as "is 8 to 256 characters". Never what was given.
    pub fields: BTreeMap<&'static str, String>,
}

impl InvalidInput {
    /// One bad field.
    pub fn field(field: &'static str, problem: impl Into<String>) -> Self {
        Self { fields: BTreeMap::from([(field, problem.into())]) }
    }

    /// Takes the value, or notes what is wrong and goes on, so that all problems are told at once.
    pub(crate) fn note<T>(&mut self, parsed: Result<T, Self>) -> Option<T> {
        parsed.map_err(|problem| self.fields.extend(problem.fields)).ok()
    }
}

/// A name as it is stored: trimmed, 1 to 80 characters, each of them visible or a plain space.
pub fn name(text: &str) -> Result<String, InvalidInput> {
    let text = text.trim();
    if (1..=NAME_CHARS_MAX).contains(&text.chars().count()) && text.chars().all(is_plain) && text.chars().any(is_shown)
    {
        Ok(text.to_owned())
    } else {
        Err(InvalidInput::field("name", format!("is 1 to {NAME_CHARS_MAX} visible characters")))
    }
}

/// An e-mail address as it is stored: trimmed and in lower case, so that one person has one account. Checked for its
/// shape only; whether it exists shows when a mail is sent.
pub fn email(text: &str) -> Result<String, InvalidInput> {
    let email = text.trim().to_lowercase();
    let shaped = email.rsplit_once('@').is_some_and(|(local, domain)| {
        let label = |label: &str| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-');
        !local.is_empty() && local.len() <= 64 && !local.contains('@') && domain.split('.').all(label)
    });
    let plain = email.chars().all(|c| is_plain(c) && is_shown(c) && !"\"(),:;<>[\\]".contains(c));
    if shaped && plain && email.len() <= EMAIL_BYTES_MAX {
        Ok(email)
    } else {
        Err(InvalidInput::field("email", format!("is an e-mail address of at most {EMAIL_BYTES_MAX} bytes")))
    }
}

/// A password that may be set. Taken as it is: nothing is trimmed.
pub fn password(text: &str) -> Result<&str, InvalidInput> {
    if (PASSWORD_CHARS_MIN..=PASSWORD_CHARS_MAX).contains(&text.chars().count()) {
        Ok(text)
    } else {
        Err(InvalidInput::field("password", format!("is {PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX} characters")))
    }
}

/// Neither a control character nor one that turns the direction of the text around it: names of others stand beside it.
fn is_plain(c: char) -> bool {
    let turns = matches!(c, '\u{061c}' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let breaks = matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}');
    !c.is_control() && !turns && !breaks
}

/// Leaves a mark. Joiners, fillers and variation selectors leave one only beside others.
fn is_shown(c: char) -> bool {
    let invisible = matches!(
        c,
        '\u{00ad}' | '\u{034f}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}'
    );
    !c.is_whitespace() && !invisible
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_1_to_80_visible_characters() {
        for good in ["A", "Alice Moon", "Ærø 🪐", "李", "👩\u{200d}🚀", &"ä".repeat(80)] {
            assert_eq!(name(good), Ok(good.to_owned()));
        }
        assert_eq!(name("  Alice\t"), Ok("Alice".to_owned()), "trimmed");
        for bad in ["", "  ", "\u{200b}", "a\nb", "a\0", "\u{202e}ecila", "\u{3164}", &"a".repeat(81)] {
            assert_eq!(name(bad).unwrap_err().fields["name"], "is 1 to 80 visible characters", "{bad:?}");
        }
    }

    #[test]
    fn an_email_has_one_spelling() {
        assert_eq!(email("  Alice@Example.COM "), Ok("alice@example.com".to_owned()));
        for good in ["a@b", "a.b+c@d-e.example", "ä@ö.example", "o'hara@example.com"] {
            assert_eq!(email(good), Ok(good.to_owned()));
        }
        let long = format!("a@{}.example", "b".repeat(250));
        for bad in ["", "alice", "@b", "a@", "a@b@c", "a b@c", "a@b..c", "a@-b", "a\n@b", "a@b,c@d", "<a@b>", &long] {
            assert!(email(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_password_is_8_to_256_characters() {
        for good in ["12345678", "        ", "pässwörd", &"🔑".repeat(256)] {
            assert_eq!(password(good), Ok(good));
        }
        for bad in ["", "1234567", "🔑🔑🔑🔑🔑🔑🔑", &"a".repeat(257)] {
            let refused = password(bad).unwrap_err();
            assert_eq!(refused.fields["password"], "is 8 to 256 characters");
            assert!(bad.is_empty() || !refused.to_string().contains(bad), "what was given is not repeated");
        }
    }
}
