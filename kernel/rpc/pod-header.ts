/** Addresses one security or gateway pod, at a sidecar's egress (envoy/model/headers.ts). */
export const podHeader = 'x-sallyport-pod';
