"""How what it costs grows with drivers, gateways and regions, and what follows."""
