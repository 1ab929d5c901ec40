// What a customer must see of a provider, whichever library it speaks with. Used by the customers from npm:
//
//   PEER_HOME=FOLDER node PEER/customer.mjs RELAY PROVIDER MODE...
//
// RELAY is a URL, PROVIDER a public key in hex, PEER_HOME where the library is installed. Each check is a line of JSON on stdout; the
// first that fails is told on stderr and ends the run with 1. The provider must answer with what it was asked, but for a question that
// holds `without end`: there it must say the question again and again.
//
// A library is a function of (relay, hear) that connects, hands each event addressed to it to `hear`, and resolves to
//
//   me                    its public key
//   ask(question)         signs and publishes { text, provider?, scheme? } as kind 5050; resolves to the event as published
//   withdraw(job)         publishes the kind-5 deletion
//   read(event, scheme)   resolves to { valid, tags, content } as the library understands it, decrypted
//   close()

import { deepStrictEqual } from 'node:assert';

const WITHIN_MS = 60_000;
const [RESULT, FEEDBACK] = [6050, 7000];
const STATUSES = ['payment-required', 'processing', 'partial', 'success', 'error'];

class Mismatch extends Error {}

/** Runs the modes of the command line with this library. */
export async function customer(peer, connect) {
    const [relay, provider, ...modes] = process.argv.slice(2);
    let library;
    try {
        const heard = new Heard();
        library = await within('connect', connect(relay, (event) => heard.add(event)));
        for (const mode of modes) {
            const run = MODES[mode];
            if (!run) throw new Mismatch(`no mode \`${mode}\`; there is: ${Object.keys(MODES).join(', ')}`);
            await run(new Deal({ peer, mode, provider, library, heard }));
        }
        for (const [job, events] of heard.jobs) {
            const results = events.filter((event) => event.kind === RESULT).length;
            if (results > 1) throw new Mismatch(`job ${job} has ${results} results`);
        }
    } catch (error) {
        console.error(peer, error instanceof Mismatch ? error.message : error);
        process.exitCode = 1;
    }
    await library?.close();
    process.exit();
}

const MODES = {
    plain: async (deal) => deal.answered(await deal.ask({})),
    targeted: async (deal) => deal.answered(await deal.ask({ provider: deal.provider })),
    nip04: async (deal) => deal.answered(await deal.ask({ provider: deal.provider, scheme: 'nip04' })),
    nip44: async (deal) => deal.answered(await deal.ask({ provider: deal.provider, scheme: 'nip44' })),
    refused: async (deal) => deal.refused(await deal.ask({ provider: deal.provider, text: ' ' })),
    cancelled: async (deal) => {
        const job = await deal.ask({ provider: deal.provider, text: 'one answer of many words, without end' });
        await deal.at_work(job);
        await within('withdraw', deal.library.withdraw(job.event));
        // The provider takes one job at a time: who is answered now has the place of the one that was withdrawn.
        await deal.answered(await deal.ask({ provider: deal.provider }));
        deal.check('silence after the withdrawal', job.events.every((event) => event.kind === FEEDBACK), 'a result');
    },
};

/** All that was said, by job. */
class Heard {
    jobs = new Map();
    #wake = () => {};

    about(job) {
        if (!this.jobs.has(job)) this.jobs.set(job, []);
        return this.jobs.get(job);
    }

    add(event) {
        const job = event.tags.find(([name]) => name === 'e')?.[1];
        this.about(job).push(event);
        this.#wake();
    }

    /** The event at this place of the job's. */
    at(job, place) {
        const arrived = async () => {
            while (this.about(job).length <= place) await new Promise((resolve) => (this.#wake = resolve));
            return this.about(job)[place];
        };
        return within(`answer number ${place + 1}`, arrived());
    }
}

/** One mode at work. */
class Deal {
    constructor(parts) {
        Object.assign(this, parts);
    }

    check(what, holds, otherwise) {
        if (!holds) throw new Mismatch(`${this.mode}: ${what}: ${otherwise}`);
        console.log(JSON.stringify({ peer: this.peer, mode: this.mode, check: what }));
    }

    same(what, found, wanted) {
        try {
            deepStrictEqual(found, wanted);
        } catch {
            this.check(what, false, `${JSON.stringify(found)} instead of ${JSON.stringify(wanted)}`);
        }
        this.check(what, true);
    }

    async ask({ text, provider, scheme }) {
        text ??= `${this.mode} “quoted”, 12 Boxkämpfer 🦊\n\tand a second line of ${Math.random()}`;
        const event = await within('publish', this.library.ask({ text, provider, scheme }));
        return { event, text, scheme, events: this.heard.about(event.id), place: 0 };
    }

    /** The next thing said about a job, with what holds for all of them. */
    async next(job) {
        const event = await this.heard.at(job.event.id, job.place++);
        const kind = event.kind === FEEDBACK ? 'feedback' : 'result';
        this.same(`${kind}: author`, event.pubkey, this.provider);
        this.same(`${kind}: e`, values(event, 'e')?.[0], job.event.id);
        this.same(`${kind}: p`, values(event, 'p')?.[0], this.library.me);
        this.same(`${kind}: encrypted`, values(event, 'encrypted') !== undefined, job.scheme !== undefined);
        if (job.scheme) this.same(`${kind}: scheme`, event.content.includes('?iv=') ? 'nip04' : 'nip44', job.scheme);
        const view = await this.library.read(event, job.scheme);
        const status = values(view, 'status')?.[0];
        const what = event.kind === FEEDBACK ? `feedback ${status}` : 'result';
        this.check(`${what}: signature`, view.valid, 'invalid');
        const amount = values(view, 'amount');
        if (amount) this.check(`${what}: amount`, /^\d+$/.test(amount[0]) && /^ln/.test(amount[1] ?? 'ln'), amount);
        if (event.kind === FEEDBACK) this.check(`${what}: status`, STATUSES.includes(status), status);
        return { event, view, status };
    }

    /** Processing comes first, then perhaps parts, then the answer. */
    async answered(job) {
        this.same('first said', (await this.next(job)).status, 'processing');
        for (;;) {
            const { event, view, status } = await this.next(job);
            if (event.kind === FEEDBACK) {
                this.check('status of work', ['processing', 'partial', 'success'].includes(status), `${status}: ${view.content}`);
                continue;
            }
            this.same('result: kind', event.kind, RESULT);
            this.same('result: content', view.content, job.text);
            const inputs = event.tags.filter(([name]) => name === 'i');
            this.same('result: i', inputs, job.event.tags.filter(([name]) => name === 'i'));
            const request = values(event, 'request')?.[0];
            // What was asked in confidence need not be repeated.
            if (request !== undefined || !job.scheme) this.same('result: request', JSON.parse(request), job.event);
            return;
        }
    }

    async refused(job) {
        const { view, status } = await this.next(job);
        this.same('status', status, 'error');
        this.check('reason', values(view, 'status')[1]?.length > 0, 'none');
    }

    /** Part of an answer is there, and the rest is not. */
    async at_work(job) {
        for (;;) {
            const { event, view, status } = await this.next(job);
            this.same('not over', event.kind, FEEDBACK);
            if (status === 'partial') {
                const all = job.text.repeat(1 + view.content.length / job.text.length);
                this.check('partial: content', view.content && all.startsWith(view.content), view.content);
                return;
            }
            this.same('status before', status, 'processing');
        }
    }
}

/** What stands in the first tag of this name. */
function values(event, name) {
    return event.tags.find((tag) => tag[0] === name)?.slice(1);
}

async function within(what, promise) {
    let timer;
    const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Mismatch(`${what}: nothing within ${WITHIN_MS / 1000} s`)), WITHIN_MS);
    });
    try {
        return await Promise.race([promise, late]);
    } finally {
        clearTimeout(timer);
    }
}
