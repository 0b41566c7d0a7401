"""A collection's own encoder can be replaced and brought back, and tasks say what they came to.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let a collection's encoders remember when another took their place, and tasks what they came to."""
    op.add_column("collection_encoders", sa.Column("replaced_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("tasks", sa.Column("report", sa.JSON(), nullable=True))


def downgrade() -> None:
    """Forget what was before; the encoders stay."""
    op.drop_column("tasks", "report")
    op.drop_column("collection_encoders", "replaced_at")
