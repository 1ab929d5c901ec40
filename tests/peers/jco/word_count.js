// A handler in JavaScript: counts the words of the first input.

import { read } from "pylon:provider/inputs@0.1.0";
import { write } from "pylon:provider/log@0.1.0";

export function describe() {
  return {
    name: "word-count-js",
    version: "0.1.0",
    summary: "Counts words.",
    settings: [{ name: "most", default: "1000", help: "Words of the largest text, 1 to 1000000." }],
    kinds: [{ kind: 5999, summary: "word count", params: [] }],
    requests: [],
    limits: undefined,
  };
}

function readable(index) {
  try {
    return read(index);
  } catch (error) {
    // The case of `input-error`.
    throw { tag: "invalid", val: `the input cannot be read: ${error.payload.tag}` };
  }
}

export const handler = {
  run(job, settings, _deadlineMs) {
    const words = readable(0).split(/\s+/).filter(Boolean).length;
    write("info", `${job.inputs.length} input`);
    if (words > Number(settings.find((setting) => setting.name === "most").values[0])) {
      throw { tag: "invalid", val: "too many words" };
    }
    return { content: String(words), mime: "text/plain", attributes: [{ name: "language", value: "JavaScript" }] };
  },
};
