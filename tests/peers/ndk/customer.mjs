// A customer with NDK and its own types for NIP-90; it encrypts with NIP-44 only. See ../customer.mjs.

import { createRequire } from 'node:module';
import { customer } from '../customer.mjs';

const require = createRequire(`${process.env.PEER_HOME}/`);
globalThis.WebSocket ??= require('ws');
const ndk = require('@nostr-dev-kit/ndk');

await customer('ndk', async (url, receive) => {
    const signer = ndk.NDKPrivateKeySigner.generate();
    const me = (await signer.user()).pubkey;
    const net = new ndk.default({ explicitRelayUrls: [url], enableOutboxModel: false, signer });
    await net.connect();
    await new Promise((resolve) => {
        const wanted = { kinds: [6050, 7000], '#p': [me] };
        net.subscribe(wanted, { closeOnEose: false, onEvent: (event) => receive(event.rawEvent()), onEose: resolve });
    });

    return {
        me,
        async ask({ text, provider, scheme }) {
            const request = new ndk.NDKDVMRequest(net, { kind: ndk.NDKKind.DVMReqTextGeneration });
            request.addInput(text, 'text');
            request.addParam('max_tokens', '256');
            request.output = 'text/plain';
            request.bid = 1_000_000;
            const dvm = provider && net.getUser({ pubkey: provider });
            if (scheme && scheme !== 'nip44') throw new Error(`NDK does not encrypt requests with ${scheme}`);
            if (scheme) await request.encryption(dvm);
            else if (dvm) request.dvm = dvm;
            await request.publish();
            return JSON.parse(JSON.stringify(request.rawEvent()));
        },
        withdraw: (job) => new ndk.NDKEvent(net, job).delete('no longer needed'),
        async read(raw, scheme) {
            const event = new ndk.NDKEvent(net, raw);
            const valid = event.verifySignature(false) === true;
            if (raw.kind === ndk.NDKKind.DVMJobFeedback) {
                const feedback = await ndk.NDKDVMJobFeedback.from(event);
                const content = scheme ? feedback.tagValue('content') : feedback.content;
                return { valid, tags: feedback.tags, content: content ?? '' };
            }
            const result = ndk.NDKDVMJobResult.from(event);
            if (scheme) await result.decrypt();
            return { valid, tags: result.tags, content: result.result };
        },
        close: () => net.pool.relays.forEach((relay) => relay.disconnect()),
    };
});
