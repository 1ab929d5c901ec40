//! The prompts of the demo's customers, which are easy because the demo's own model is small.

/// Used in turn.
pub(super) const PROMPTS: &[&str] = &[
    "Name the capital of France, and say in two sentences what it is known for.",
    "Name three things that float on water, and say why they do.",
    "Write a short greeting for a traveller who arrives late at night.",
    "Explain to a child what a satoshi is.",
    "List the colours of the rainbow in order.",
    "Describe the sea in winter in two sentences.",
    "What do bees make, and how?",
    "Give me a recipe for toast.",
    "Why is the sky blue? Keep it short.",
    "Tell a very short story about a lighthouse.",
    "What is the difference between a river and a lake?",
    "Write one sentence in praise of tea.",
];

/// Follows the prompts of a customer with long requests.
pub(super) const DOCUMENT: &str = "\
The lighthouse stands on a rock half a mile from the shore. It was built of granite in three \
summers, because in winter no boat could land there. For a hundred years a keeper lived in it with \
two assistants. They carried the oil up the stairs every evening, trimmed the wicks every four \
hours, and wrote the weather into a book. In fog they fired a small cannon every ten minutes. \
Supplies came once a month if the sea allowed it; once it did not for eleven weeks, and the men \
lived on biscuits and rain water. The first electric lamp was installed after the second war, and \
the last keeper left forty years later. Today the lamp is switched on by a light sensor, and a \
technician visits twice a year. The book of the weather is in the museum of the harbour, open at \
the page of the worst storm, where the keeper had written only: wind from the west, very strong.";
