//! The form of names, and how it is described. What a name may be is decided by
//! [`people::input::name`](orrery_ganymede::people::input::name).

use orrery_ganymede::people::input::NAME_CHARS_MAX;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ObjectBuilder, RefOr,
        schema::{Schema, Type},
    },
};

use super::input::{Fields, Form};

/// Every form that has nothing but a name.
#[derive(ToSchema)]
pub(super) struct Name {
    #[schema(value_type = NameText)]
    pub(super) name: String,
}

impl Form for Name {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { name: fields.text("name")? })
    }
}

/// A name, as it is described.
pub(super) struct NameText;

/// What turns the text around it, breaks a line or controls a terminal, as a set of a regular expression.
const UNRULY: &str = "\u{0}-\u{1f}\u{7f}-\u{9f}\u{61c}\u{200e}\u{200f}\u{2028}-\u{202e}\u{2066}-\u{2069}\u{feff}";

/// What is ruly and leaves no mark.
const UNSEEN: &str = "\\s\u{ad}\u{34f}\u{115f}\u{1160}\u{17b4}\u{17b5}\u{180b}-\u{180f}\u{200b}-\u{200d}\
                      \u{2060}-\u{2065}\u{206a}-\u{206f}\u{2800}\u{3164}\u{fe00}-\u{fe0f}\u{ffa0}\u{e0000}-\u{e0fff}";

impl PartialSchema for NameText {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("Visible characters and spaces; what turns the direction of a text is not among them."))
            .min_length(Some(1))
            .max_length(Some(NAME_CHARS_MAX))
            .pattern(Some(format!("^[^{UNRULY}]*[^{UNRULY}{UNSEEN}][^{UNRULY}]*$")));
        text.into()
    }
}

impl ToSchema for NameText {}
