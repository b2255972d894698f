import { channelCryptoContract } from '#core/channel/crypto.contract.ts';
import { channelCrypto } from './channel-crypto.ts';

channelCryptoContract('sodium', channelCrypto);
