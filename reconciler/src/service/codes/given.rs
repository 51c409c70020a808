//! A code that somebody typed, beside it the licence key where one is needed: read, told in words, and handed to the vendor.

use ledger::codes::request::{self, VerifiedRequest};
use ledger::license_key::LicenseKey;
use schemas::codes::Code;
use schemas::refusal::Refusal;
use schemas::typed::{Kind, RequestFields, ReturnStart, TypedCode, unnumbered};

use crate::service::html::form::Form;
use crate::service::html::trouble::Trouble;
use crate::service::rates::Against;
use crate::shown::words;
use crate::vendor::Vendor;
use crate::vendor::codes::{AnsweredCode, CodeTerms};

/// Most bytes of a code as it is typed, blanks included. The longest has 160 groups.
const TYPED_BYTES: usize = 16 * 1024;
const KEY_MISSING: &str = "a request code takes the licence key, and none was typed";

/// What was typed into the form.
#[derive(Default)]
pub(in crate::service) struct Typed {
    /// The code, exactly so: whoever mends a group finds the others where they were.
    pub(in crate::service) code: String,
    key: String,
}

/// The form as a page shows it. The licence key is secret, so that no form repeats it.
#[derive(Default)]
pub(in crate::service) struct CodeForm<'a> {
    /// The code as it was typed.
    pub(in crate::service) typed: &'a str,
    /// What is wrong with it.
    pub(in crate::service) code: Option<&'a Trouble>,
    /// What is wrong with the licence key.
    pub(in crate::service) key: Option<&'a Trouble>,
}

/// What stands in the way, and where it is mended.
#[derive(Debug)]
pub(in crate::service) enum Mistake {
    /// In the code.
    Code(Refusal),
    /// In the licence key.
    Key(Refusal),
}

/// A code whose groups are right and go together, as far as that can be told without the ledger.
pub(in crate::service) enum Given {
    /// A device asks for an activation.
    Request {
        /// The code.
        code: TypedCode,
        /// The licence key that was typed beside it.
        key: LicenseKey,
        /// What it says.
        says: VerifiedRequest,
    },
    /// A device tells what was used, or that its activation ended.
    Return {
        /// The code.
        code: TypedCode,
        /// What it says before it tells of use.
        says: ReturnStart,
    },
}

impl Typed {
    /// What stands in the fields `code` and `key` of a form.
    pub(in crate::service) fn of(form: &Form) -> Self {
        Self { code: form.text("code").to_owned(), key: form.word("key").to_owned() }
    }

    /// Reads it.
    ///
    /// # Errors
    /// What has to be mended first.
    pub(in crate::service) fn read(&self) -> Result<Given, Mistake> {
        if self.code.len() > TYPED_BYTES {
            return Err(Mistake::Code(Refusal::new(Code::CodeLength, "more was typed than any code has")));
        }
        let code = TypedCode::read(None, &unnumbered(&self.code, 1))
            .map_err(|error| Mistake::Code(Refusal::from_error(error.code(), &error)))?;
        match code.kind() {
            Kind::Request => Given::request(code, &self.key),
            Kind::Return => Given::returned(code),
            Kind::Unlock => Err(Mistake::Code(Refusal::new(Code::CodeKind, "this is an unlock code"))),
        }
    }

    /// The form with what stands in the way.
    pub(in crate::service) fn form<'a>(&'a self, mistake: &Mistake, trouble: &'a Trouble) -> CodeForm<'a> {
        let typed = if self.code.len() > TYPED_BYTES { "" } else { &self.code };
        match mistake {
            Mistake::Code(_) => CodeForm { typed, code: Some(trouble), key: None },
            Mistake::Key(_) => CodeForm { typed, code: None, key: Some(trouble) },
        }
    }
}

impl Mistake {
    /// What the vendor refuses, if it is mended in the form; anything else as it was.
    pub(in crate::service) fn of(refusal: Refusal) -> Result<Self, Refusal> {
        match refusal.code() {
            Code::LicenseNotFound | Code::LicenseKeyMistyped | Code::CodeOtherKey => Ok(Self::Key(refusal)),
            Code::CodeMismatch | Code::CodeLength | Code::CodeChainUnknown | Code::CodeStale => {
                Ok(Self::Code(refusal))
            }
            _ => Err(refusal),
        }
    }

    /// Why it is none.
    pub(in crate::service) fn refusal(&self) -> &Refusal {
        match self {
            Self::Code(refusal) | Self::Key(refusal) => refusal,
        }
    }
}

/// Whether a code, or the licence key beside it, was a wrong one, as somebody's is who tries.
pub(in crate::service) fn is_wrong(refusal: &Refusal) -> bool {
    matches!(
        refusal.code(),
        Code::CodeMismatch | Code::CodeChainUnknown | Code::CodeOtherKey | Code::LicenseNotFound
    )
}

impl Given {
    fn request(code: TypedCode, key: &str) -> Result<Self, Mistake> {
        // What is wrong with the code itself is told before a key is asked for.
        RequestFields::read(&code)
            .map_err(|error| Mistake::Code(Refusal::from_error(error.code(), &error)))?;
        if key.is_empty() {
            return Err(Mistake::Key(Refusal::new(Code::LicenseKeyMistyped, KEY_MISSING)));
        }
        let key = LicenseKey::parse(key)
            .map_err(|error| Mistake::Key(Refusal::from_error(Code::LicenseKeyMistyped, &error)))?;
        let says = request::verify(&code, &key).map_err(|error| {
            let refusal = Refusal::from_error(error.code(), &error);
            if refusal.code() == Code::CodeOtherKey { Mistake::Key(refusal) } else { Mistake::Code(refusal) }
        })?;
        Ok(Self::Request { code, key, says })
    }

    fn returned(code: TypedCode) -> Result<Self, Mistake> {
        let says = ReturnStart::read(&code)
            .map_err(|error| Mistake::Code(Refusal::from_error(error.code(), &error)))?;
        Ok(Self::Return { code, says })
    }

    /// The code.
    pub(in crate::service) fn code(&self) -> &TypedCode {
        match self {
            Self::Request { code, .. } | Self::Return { code, .. } => code,
        }
    }

    /// The licence key, as a page carries it to the next step.
    pub(in crate::service) fn key(&self) -> Option<String> {
        match self {
            Self::Request { key, .. } => Some(key.reveal()),
            Self::Return { .. } => None,
        }
    }

    /// What it is called.
    pub(in crate::service) fn name(&self) -> &'static str {
        match self {
            Self::Request { .. } => "Request code",
            Self::Return { .. } => "Return code",
        }
    }

    /// What it is for.
    pub(in crate::service) fn purpose(&self) -> &'static str {
        match self {
            Self::Request { .. } => "A device asks for its licence.",
            Self::Return { says, .. } if says.closing => {
                "A device has ended its activation for good and gives its seat back."
            }
            Self::Return { .. } => "A device tells how much it used, and gets new deadlines.",
        }
    }

    /// What it says.
    pub(in crate::service) fn facts(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Request { key, says, .. } => vec![
                ("Chain reference", format!("begins with {}", words::short(&says.chain()))),
                ("Licence key", format!("its public part, {}", key.reference())),
                ("Product pack", format!("version {}", says.fields().pack_version)),
            ],
            Self::Return { says, .. } => vec![
                ("Chain reference", format!("begins with {}", says.chain)),
                ("Written on", says.day.to_string()),
                ("The activation", if says.closing { "ends for good" } else { "goes on" }.to_owned()),
            ],
        }
    }

    /// What it is tried against.
    pub(in crate::service) fn against(&self) -> Against {
        match self {
            Self::Request { key, .. } => Against::Key(key.reference()),
            Self::Return { says, .. } => Against::Chain(says.chain),
        }
    }

    /// Has it answered.
    ///
    /// # Errors
    /// Those of [`Vendor::answer_code`] and [`Vendor::take_code`].
    pub(in crate::service) fn answered(
        &self,
        vendor: &mut Vendor,
        terms: CodeTerms,
    ) -> Result<AnsweredCode, Refusal> {
        match self {
            Self::Request { code, key, .. } => vendor.answer_code(code, key, terms),
            Self::Return { code, .. } => vendor.take_code(code, terms),
        }
    }
}

#[cfg(test)]
mod tests {
    use schemas::typed::Lines;

    use super::*;

    const REQUEST: &str =
        "800FDD-94MCCR-A6HRBB-3ENT8B-372852-K5B156-5CJEEF-JWCFWW-KCDP14-8RAASZ-1SQT47-XT4AN1-3FD1PR-GGWJAE";
    const KEY: &str = "041061D-05P7P7T-ERF6JRV-P4H2D42";
    const RETURN: &str = "G60FNF-22DD0H-0002G7-0000GT-KR9K6X-CSK6CK-SK6CSC-K6CSKN-6CSK63-CSK075-YSZZZC-ZZZZZZ-ZZV81K-EPN94A-2J5G5R-EG0809";
    const UNLOCK: &str = "C0000P-80GKNZ-R0R1C6-4F401D-YG6VHW-P0JBDP-2XTMVP-QV7WW4-E0YRAZ-70V7FW-0CWFRS-MDJQCH-Q15E4X-0EQA3V-324TW7-G8F9Z8-XQS1TD-HB4RNP-G1Z1G2-56P677-QK43Y0-6WSVHF-VQAQRS-GJEBW8-ZX3A9M-244G7W";

    fn read(code: &str, key: &str) -> Result<Given, (&'static str, Code, String)> {
        let typed = Typed { code: code.to_owned(), key: key.to_owned() };
        typed.read().map_err(|mistake| {
            let field = if matches!(mistake, Mistake::Code(_)) { "code" } else { "key" };
            (field, mistake.refusal().code(), mistake.refusal().detail().to_owned())
        })
    }

    fn wrong(code: &str, key: &str) -> (&'static str, Code) {
        let (field, code, _) = read(code, key).err().expect("it is refused");
        (field, code)
    }

    #[test]
    fn a_request_is_told_with_its_key_and_names_the_chain_that_follows() {
        let given = read(&REQUEST.to_lowercase().replace('-', "\r\n"), &KEY.to_lowercase());
        let given = given.expect("it is whole");
        assert_eq!((given.name(), given.code().to_string()), ("Request code", REQUEST.to_owned()));
        assert_eq!(given.key().as_deref(), Some(KEY));
        let lines = Lines(given.code()).to_string();
        assert!(read(&lines, KEY).is_ok(), "numbers before the lines, as devices show them: {lines}");
        let facts = given.facts();
        assert!(facts[0].1.contains("603ea2135a8f"), "{facts:?}");
        assert_eq!(facts[2], ("Product pack", "version 1".to_owned()));
        assert!(
            !facts.iter().any(|(_, value)| value.contains("05P7P7T")),
            "a key is told by its public part"
        );
    }

    #[test]
    fn a_return_code_needs_no_key_and_says_whose_it_is() {
        let given = read(RETURN, "").expect("it is whole");
        assert_eq!((given.name(), given.key()), ("Return code", None));
        let facts: Vec<String> = given.facts().into_iter().map(|(_, value)| value).collect();
        assert_eq!(facts, ["begins with 603ea2135a", "2026-12-04", "goes on"]);
        assert_eq!(given.against(), Against::Chain("603ea2135a".parse().expect("five bytes")));
    }

    #[test]
    fn what_is_wrong_is_named_at_the_field_where_it_is_mended() {
        let (_, code, detail) = read(&REQUEST.replace("A6HRBB", "A6HRB8"), KEY).err().expect("refused");
        assert_eq!(code, Code::CodeGroupWrong);
        assert!(detail.contains("group 3 "), "{detail}");
        assert!(read(&REQUEST.replace("800FDD", "8O0FDD"), KEY).is_ok(), "look-alikes are taken");
        assert_eq!(wrong(UNLOCK, ""), ("code", Code::CodeKind));
        assert_eq!(wrong("", KEY), ("code", Code::CodeLength));
        assert_eq!(wrong(&REQUEST[..REQUEST.len() - 7], KEY), ("code", Code::CodeLength));
        assert_eq!(wrong(&"A".repeat(TYPED_BYTES + 1), ""), ("code", Code::CodeLength));
        assert_eq!(wrong(&RETURN[..12 * 7 - 1], ""), ("code", Code::CodeLength));
        assert_eq!(wrong(REQUEST, ""), ("key", Code::LicenseKeyMistyped));
        assert_eq!(wrong(REQUEST, &KEY.replace("ERF", "EFR")), ("key", Code::LicenseKeyMistyped));
        let other =
            ledger::license_key::KeySecret::new([9; 32]).license_key(schemas::ids::KeyReference([1; 5]));
        assert_eq!(wrong(REQUEST, &other.reveal()), ("key", Code::CodeOtherKey));
    }

    #[test]
    fn the_form_keeps_the_code_as_it_was_typed_and_never_the_key() {
        let typed = Typed { code: "\n 8tqg0 s ".to_owned(), key: KEY.to_owned() };
        let mistake = typed.read().err().expect("it is short");
        let trouble = Trouble::of(mistake.refusal());
        let form = typed.form(&mistake, &trouble);
        assert_eq!((form.typed, form.code.is_some(), form.key.is_some()), ("\n 8tqg0 s ", true, false));
        let typed = Typed { code: "x".repeat(TYPED_BYTES + 1), key: String::new() };
        let mistake = typed.read().err().expect("it is long");
        assert_eq!(typed.form(&mistake, &trouble).typed, "");
    }
}
