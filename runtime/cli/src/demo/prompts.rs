//! The prompts of the demo's customer, which are easy because the demo's own model is small.

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
