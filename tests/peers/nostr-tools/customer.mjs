// A customer with nostr-tools: plain events, and both ways to encrypt. See ../customer.mjs.

import { createRequire } from 'node:module';
import { customer } from '../customer.mjs';

const require = createRequire(`${process.env.PEER_HOME}/`);
globalThis.WebSocket ??= require('ws');
const { Relay, finalizeEvent, generateSecretKey, getPublicKey, nip04, nip44, verifyEvent } = require('nostr-tools');

const secret = generateSecretKey();
const me = getPublicKey(secret);

const encrypt = (scheme, to, text) =>
    scheme === 'nip04' ? nip04.encrypt(secret, to, text) : nip44.encrypt(text, nip44.getConversationKey(secret, to));
const decrypt = (scheme, from, text) =>
    scheme === 'nip04' ? nip04.decrypt(secret, from, text) : nip44.decrypt(text, nip44.getConversationKey(secret, from));

await customer('nostr-tools', async (url, receive) => {
    const relay = await Relay.connect(url);
    await new Promise((resolve) => relay.subscribe([{ kinds: [6050, 7000], '#p': [me] }], { onevent: receive, oneose: resolve }));

    const publish = async (kind, tags, content = '') => {
        const event = finalizeEvent({ kind, tags, content, created_at: Math.floor(Date.now() / 1000) }, secret);
        await relay.publish(event);
        return JSON.parse(JSON.stringify(event));
    };

    return {
        me,
        ask({ text, provider, scheme }) {
            const tags = [['i', text, 'text'], ['param', 'max_tokens', '256'], ['output', 'text/plain']];
            const named = provider ? [['p', provider]] : [];
            if (!scheme) return publish(5050, [...tags, ...named]);
            return publish(5050, [...named, ['encrypted']], encrypt(scheme, provider, JSON.stringify(tags)));
        },
        withdraw: (job) => publish(5, [['e', job.id], ['k', '5050']], 'no longer needed'),
        async read(event, scheme) {
            // A copy, because the library remembers what it has verified.
            const valid = verifyEvent(JSON.parse(JSON.stringify(event)));
            if (!scheme) return { valid, tags: event.tags, content: event.content };
            const content = decrypt(scheme, event.pubkey, event.content);
            if (event.kind !== 7000) return { valid, tags: event.tags, content };
            // Confidential feedback is a list of tags.
            const tags = [...event.tags, ...JSON.parse(content)];
            return { valid, tags, content: tags.find(([name]) => name === 'content')?.[1] ?? '' };
        },
        close: () => relay.close(),
    };
});
