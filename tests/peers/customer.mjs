// The checks that a provider must pass with the library of any customer. For the customers from npm:
//
//   PEER_HOME=FOLDER node PEER/customer.mjs RELAY PROVIDER MODE...
//
// RELAY is a URL, PROVIDER a public key in hex, PEER_HOME the folder of the installed library. Each
// check is a line of JSON on stdout; the first that fails is printed on stderr and ends the run with 1.
// The provider must answer with the prompt; a prompt that contains `without end` it must repeat
// endlessly.
//
// A library is a function of (relay, receive) that connects, passes each event addressed to it to
// `receive`, and resolves to
//
//   me                    its public key
//   ask(request)          signs and publishes { text, provider?, scheme? } as kind 5050; resolves to the event as published
//   withdraw(job)         publishes the kind-5 deletion
//   read(event, scheme)   resolves to { valid, tags, content } as the library understands it, decrypted
//   close()

import { deepStrictEqual } from 'node:assert';

const TIMEOUT_MS = 60_000;
const [RESULT, FEEDBACK] = [6050, 7000];
const STATUSES = ['payment-required', 'processing', 'partial', 'success', 'error'];

class Mismatch extends Error {}

/** Runs the modes of the command line with this library. */
export async function customer(peer, connect) {
    const [relay, provider, ...modes] = process.argv.slice(2);
    let library;
    try {
        const messages = new Messages();
        library = await within('connect', connect(relay, (event) => messages.add(event)));
        for (const mode of modes) {
            const run = MODES[mode];
            if (!run) throw new Mismatch(`no mode \`${mode}\`; modes: ${Object.keys(MODES).join(', ')}`);
            await run(new Deal({ peer, mode, provider, library, messages }));
        }
        for (const [job, events] of messages.jobs) {
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
        await deal.running(job);
        await within('withdraw', deal.library.withdraw(job.event));
        // The provider runs one job at a time: an answer to the next one shows that the cancelled one ended.
        await deal.answered(await deal.ask({ provider: deal.provider }));
        deal.check('no result after the cancellation', job.events.every((event) => event.kind === FEEDBACK), 'a result');
    },
};

/** All messages, by job. */
class Messages {
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

    /** The event of the job with this index. */
    at(job, place) {
        const arrived = async () => {
            while (this.about(job).length <= place) await new Promise((resolve) => (this.#wake = resolve));
            return this.about(job)[place];
        };
        return within(`answer number ${place + 1}`, arrived());
    }
}

/** One run of a mode. */
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
        return { event, text, scheme, events: this.messages.about(event.id), place: 0 };
    }

    /** The next message about a job, after the checks for all messages. */
    async next(job) {
        const event = await this.messages.at(job.event.id, job.place++);
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

    /** Expects `processing`, then possibly partial output, then the result. */
    async answered(job) {
        this.same('first message', (await this.next(job)).status, 'processing');
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
            // The request of a confidential job need not be repeated.
            if (request !== undefined || !job.scheme) this.same('result: request', JSON.parse(request), job.event);
            return;
        }
    }

    async refused(job) {
        const { view, status } = await this.next(job);
        this.same('status', status, 'error');
        this.check('reason', values(view, 'status')[1]?.length > 0, 'none');
    }

    /** Waits for partial output. */
    async running(job) {
        for (;;) {
            const { event, view, status } = await this.next(job);
            this.same('still running', event.kind, FEEDBACK);
            if (status === 'partial') {
                const all = job.text.repeat(1 + view.content.length / job.text.length);
                this.check('partial: content', view.content && all.startsWith(view.content), view.content);
                return;
            }
            this.same('status before', status, 'processing');
        }
    }
}

/** The values of the first tag with this name. */
function values(event, name) {
    return event.tags.find((tag) => tag[0] === name)?.slice(1);
}

async function within(what, promise) {
    let timer;
    const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Mismatch(`${what}: nothing within ${TIMEOUT_MS / 1000} s`)), TIMEOUT_MS);
    });
    try {
        return await Promise.race([promise, late]);
    } finally {
        clearTimeout(timer);
    }
}
