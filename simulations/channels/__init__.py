"""The platform's own channels beside the federated one: trained, recalled, fused and judged."""
