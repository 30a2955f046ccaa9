//! Signing up and in.

use orrery_protocol::id::{OrgId, UserId};
use uuid::Uuid;

use super::{
    ChangePasswordError, DeleteAccountError, NewUser, People, SignInError, SignUpError, User,
    input::{self, InvalidInput},
};
use crate::{
    database::{DatabaseError, Row, stored},
    orgs::{ChangeMemberError, leave_all},
};

impl People {
    /// Makes an account. The first one of an installation is the administrator.
    pub async fn sign_up(&self, now_ms: u64, new: NewUser) -> Result<User, SignUpError> {
        let mut invalid = InvalidInput::default();
        let email = invalid.note(input::email(&new.email));
        let name = invalid.note(input::name(&new.name));
        let password = invalid.note(input::password(&new.password));
        let (Some(email), Some(name), Some(password)) = (email, name, password) else {
            return Err(invalid.into());
        };
        // Spares a taken address the cost of a password. The data base decides in the end.
        if self.by_email(&email).await?.is_some() {
            return Err(SignUpError::EmailTaken);
        }
        let password = self.passwords.hash(password.to_owned()).await?;
        let user = User { id: UserId(Uuid::now_v7()), email, name, administrator: false, created_at_ms: now_ms };
        self.insert(user, &password).await.map_err(|error| match error {
            DatabaseError::Conflict(_) => SignUpError::EmailTaken,
            DatabaseError::Failed(_) | DatabaseError::Damaged { .. } => error.into(),
        })
    }

    async fn insert(&self, mut user: User, password: &str) -> Result<User, DatabaseError> {
        let mut tx = self.database.begin().await?;
        // Whoever changes this row first keeps it until the end of the transaction; all others wait, and then find it
        // changed, or free again if the first one's address was taken.
        let claim = "UPDATE installation SET first_user = $1 WHERE first_user IS NULL";
        let claimed = sqlx::query(claim).bind(user.id.to_string()).execute(&mut *tx).await?;
        user.administrator = claimed.rows_affected() == 1;
        let insert = "INSERT INTO users (id, email, name, password, administrator, created_at) \
                      VALUES ($1, $2, $3, $4, $5, $6)";
        sqlx::query(insert)
            .bind(user.id.to_string())
            .bind(&user.email)
            .bind(&user.name)
            .bind(password)
            .bind(i64::from(user.administrator))
            .bind(stored(user.created_at_ms))
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(user)
    }

    /// Who has this address and this password.
    pub async fn sign_in(&self, email: &str, password: &str) -> Result<User, SignInError> {
        // An address that cannot be one is looked up like any other, so that it costs the same.
        let email = input::email(email).unwrap_or_default();
        let select = "SELECT id, email, name, administrator, created_at, password FROM users WHERE email = $1";
        let row = sqlx::query(select).bind(email).fetch_optional(self.database.sqlx()).await?;
        let known =
            row.map(|row| Ok::<_, DatabaseError>((User::from_row(&row)?, row.text("password")?))).transpose()?;
        let hash = known.as_ref().map(|(_, hash)| hash.clone());
        let right = self.passwords.verify(password.to_owned(), hash).await?;
        let (user, hash) = known.filter(|_| right).ok_or(SignInError::Refused)?;
        if self.passwords.is_outdated(&hash) {
            self.hash_again(user.id, password, &hash).await?;
        }
        Ok(user)
    }

    /// Stores the hash of a password at the cost of today, over the one that was just verified. When too many people sign
    /// in, the next time is early enough.
    async fn hash_again(&self, user: UserId, password: &str, outdated: &str) -> Result<(), DatabaseError> {
        let Ok(hash) = self.passwords.hash(password.to_owned()).await else { return Ok(()) };
        let update = sqlx::query("UPDATE users SET password = $1 WHERE id = $2 AND password = $3");
        update.bind(hash).bind(user.to_string()).bind(outdated).execute(self.database.sqlx()).await?;
        Ok(())
    }

    /// Replaces a password, and ends every session of the user: whoever had the old one is out.
    pub async fn change_password(&self, user: UserId, old: &str, new: &str) -> Result<(), ChangePasswordError> {
        let new = input::password(new).map_err(|_| InvalidInput::field("new_password", "is 8 to 256 characters"))?;
        let current = self.hash_of(user).await?.ok_or(ChangePasswordError::Refused)?;
        if !self.passwords.verify(old.to_owned(), Some(current.clone())).await? {
            return Err(ChangePasswordError::Refused);
        }
        let hash = self.passwords.hash(new.to_owned()).await?;
        let mut tx = self.database.begin().await?;
        // Only over the password that was verified: of two changes at once, one is refused.
        let update = "UPDATE users SET password = $1 WHERE id = $2 AND password = $3";
        let update = sqlx::query(update).bind(hash).bind(user.to_string()).bind(current);
        if update.execute(&mut *tx).await?.rows_affected() == 0 {
            return Err(ChangePasswordError::Refused);
        }
        sqlx::query("DELETE FROM sessions WHERE user_id = $1").bind(user.to_string()).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Removes an account, with its sessions, API keys and memberships. Answers which organizations lost a member by it.
    pub async fn delete_account(&self, user: UserId, password: &str) -> Result<Vec<OrgId>, DeleteAccountError> {
        let hash = self.hash_of(user).await?.ok_or(DeleteAccountError::Refused)?;
        if !self.passwords.verify(password.to_owned(), Some(hash)).await? {
            return Err(DeleteAccountError::Refused);
        }
        let mut tx = self.database.begin().await?;
        let left = match leave_all(&mut tx, user).await {
            Ok(left) => left,
            Err(ChangeMemberError::LastOwner) => return Err(DeleteAccountError::LastOwner),
            Err(ChangeMemberError::Database(error)) => return Err(error.into()),
            // They left it, or became one of it, in this very moment.
            Err(ChangeMemberError::NoSuchMember | ChangeMemberError::TooManyOrgs) => {
                return Err(DeleteAccountError::Refused);
            }
        };
        let delete = sqlx::query("DELETE FROM users WHERE id = $1 AND administrator = 0").bind(user.to_string());
        if delete.execute(&mut *tx).await?.rows_affected() == 0 {
            return Err(DeleteAccountError::Administrator);
        }
        tx.commit().await?;
        Ok(left)
    }

    async fn hash_of(&self, user: UserId) -> Result<Option<String>, DatabaseError> {
        let select = sqlx::query("SELECT password FROM users WHERE id = $1").bind(user.to_string());
        let row = select.fetch_optional(self.database.sqlx()).await?;
        row.map(|row| row.text("password")).transpose()
    }

    /// Who has this id.
    pub async fn user(&self, id: UserId) -> Result<Option<User>, DatabaseError> {
        let select = "SELECT id, email, name, administrator, created_at FROM users WHERE id = $1";
        let row = sqlx::query(select).bind(id.to_string()).fetch_optional(self.database.sqlx()).await?;
        row.as_ref().map(User::from_row).transpose()
    }

    /// Who has this address, in any spelling.
    pub async fn by_email(&self, email: &str) -> Result<Option<User>, DatabaseError> {
        let Ok(email) = input::email(email) else { return Ok(None) };
        let select = "SELECT id, email, name, administrator, created_at FROM users WHERE email = $1";
        let row = sqlx::query(select).bind(email).fetch_optional(self.database.sqlx()).await?;
        row.as_ref().map(User::from_row).transpose()
    }
}
